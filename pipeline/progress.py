"""One progress line per stage in the terminal; silent where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class StageProgress:
    """Reports how far the current step of a stage is.

    Args:
        console: Where to draw.
        quiet: Draw nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Shows a bar under `title` while the stage runs."""
        if self.quiet:
            yield
            return
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as self._progress:
            self._task = self._progress.add_task(title, total=None)
            try:
                yield
            finally:
                self._progress, self._task = None, None

    def step(self, title: str) -> None:
        """Starts the next step of the stage: another title, the count from 0."""
        if self._progress is not None and self._task is not None:
            self._progress.reset(self._task, total=None, description=title)

    def update(self, done: int, total: int) -> None:
        """Sets how many of `total` units are done."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def say(self, text: str) -> None:
        """Prints one line above the bar."""
        if not self.quiet:
            self.console.print(text)
