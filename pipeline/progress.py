"""One progress line per stage: drawn in a terminal, printed once a minute into a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

WIDTH: Final = 80
"""Most characters of a line in a pipe; in a terminal, its width."""
PIPED_SECONDS: Final = 60.0
"""Seconds between two lines where there is no terminal."""
_BAR: Final = 12
_TITLE: Final = 24


class _Line(ProgressColumn):
    """The whole line, from what a `StageProgress` knows."""

    def __init__(self, owner: StageProgress) -> None:
        super().__init__()
        self._owner = owner

    def render(self, task: Task) -> Text:
        return Text(self._owner.line(max(20, self._owner.console.width - 1)), no_wrap=True)


class StageProgress:
    """Reports how far the current step of a stage is."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet
        self.status: Callable[[float, float | None], str] | None = None
        """What to say beside the bar, from (done, total); None for nothing."""
        self._by_attempts = False
        self._open, self._printed = False, 0.0
        self._progress: Progress | None = None
        self._begin("")

    def _begin(self, title: str) -> None:
        self._title, self._done, self._total = title, 0, 0
        self._first, self._since = 0, time.monotonic()

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Shows a line under `title` while the stage runs."""
        if self.quiet:
            yield
            return
        self._begin(title)
        self._by_attempts, self._open, self._printed = False, True, time.monotonic()
        try:
            if not self.console.is_terminal:
                yield
                return
            with Progress(_Line(self), console=self.console, transient=True) as self._progress:
                self._progress.add_task(title, total=None)
                yield
        finally:
            self._progress, self._by_attempts, self._open = None, False, False

    @contextmanager
    def saying(self, status: Callable[[float, float | None], str]) -> Iterator[None]:
        """Says something else beside the bar for a while."""
        before, self.status = self.status, status
        try:
            yield
        finally:
            self.status = before

    def line(self, width: int = WIDTH) -> str:
        """Title, bar, count, time left and what the models do, in at most so many characters."""
        done, total = self._done, self._total
        parts = [f"{self._title[:_TITLE]:<{_TITLE}}"]
        if total:
            filled = min(_BAR, round(_BAR * done / total))
            parts.append("█" * filled + "░" * (_BAR - filled) + f" {done}/{total}")
        elif done:
            parts.append(str(done))
        new = done - self._first
        if total and new > 0:
            left = (time.monotonic() - self._since) / new * (total - done)
            parts.append(f"{_clock(left)} left")
        if self.status is not None:
            parts.append(self.status(done, total or None))
        text = " ".join(part for part in parts if part).rstrip()
        return text if len(text) <= width else text[: width - 1] + "…"

    def step(self, title: str) -> None:
        """Starts the next step of the stage: another title, the count from 0."""
        if self._by_attempts:
            return  # stages overlap: none of them is the one that runs
        self._begin(title)
        self._shown()

    def update(self, done: int, total: int) -> None:
        """Sets how many of `total` units are done."""
        if self._by_attempts:
            return
        if total != self._total or done < self._done:
            self._first, self._since = done, time.monotonic()
        self._done, self._total = done, total
        self._shown()

    def _shown(self) -> None:
        if self._open and self._progress is None:
            now = time.monotonic()
            if now - self._printed >= PIPED_SECONDS:
                self._printed = now
                self.console.print(self.line(), markup=False, highlight=False, soft_wrap=True)

    def attempts(self, done: int, total: int) -> None:
        """Counts attempts instead of calls until the stage ends, since its steps overlap."""
        self._by_attempts = False
        self.update(done, total)
        self._by_attempts = True

    def say(self, text: str) -> None:
        """Prints one line above the bar."""
        if not self.quiet:
            self.console.print(text)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
