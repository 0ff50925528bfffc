"""One progress line per stage in the terminal; silent where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Status(ProgressColumn):
    """What the models are doing, from the `status` of a `StageProgress`."""

    def __init__(self, owner: StageProgress) -> None:
        super().__init__()
        self._owner = owner

    def render(self, task: Task) -> Text:
        status = self._owner.status
        return Text(status(task.completed, task.total) if status else "", style="dim")


class StageProgress:
    """Reports how far the current step of a stage is."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet
        self.status: Callable[[float, float | None], str] | None = None
        """What to say beside the bar, from (done, total); None for nothing."""
        self._by_attempts = False
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
            _Status(self),
        )
        with Progress(*columns, console=self.console, transient=True) as self._progress:
            self._by_attempts = False
            self._task = self._progress.add_task(title, total=None)
            try:
                yield
            finally:
                self._progress, self._task, self._by_attempts = None, None, False

    def step(self, title: str) -> None:
        """Starts the next step of the stage: another title, the count from 0."""
        if self._by_attempts:
            return  # stages overlap: none of them is the one that runs
        if self._progress is not None and self._task is not None:
            self._progress.reset(self._task, total=None, description=title)

    def update(self, done: int, total: int) -> None:
        """Sets how many of `total` units are done."""
        if self._by_attempts:
            return
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def attempts(self, done: int, total: int) -> None:
        """Counts attempts instead of calls until the stage ends, since its steps overlap."""
        self._by_attempts = False
        self.update(done, total)
        self._by_attempts = True

    def say(self, text: str) -> None:
        """Prints one line above the bar."""
        if not self.quiet:
            self.console.print(text)
