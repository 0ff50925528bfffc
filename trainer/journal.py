"""What a training shows and writes down while it runs, and how Ctrl-C ends it."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from transformers import TrainerCallback

from .processes import Processes

METRICS = (
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
    "learning_rate",
    "grad_norm",
)


class TrainingJournal(TrainerCallback):
    """Appends one line of metrics per step, and stops at a step's end when asked.

    Of several processes the main one writes, and all stop if one was asked to.

    Args:
        path: `metrics.jsonl`.
        first: Steps done before (0, or the checkpoint resumed from), for `cut`.
        on_progress: Told steps done and steps in all.
        processes: Those that share the training; None for this one alone.
    """

    def __init__(
        self,
        path: Path,
        first: int,
        on_progress: Callable[[int, int], None],
        processes: Processes | None = None,
    ) -> None:
        self.path = path
        self.stop_requested = False
        self._on_progress = on_progress
        self._processes = processes or Processes()
        self.cut(first)

    def cut(self, first: int, *, undone: Path | None = None) -> None:
        """Cuts off lines after a step, left by a training that was killed or rolled back.

        Args:
            first: The last step whose line stays.
            undone: File that the lines cut off are appended to; None drops them.
        """
        if not self._processes.is_main:
            return
        lines = _lines(self.path)
        kept = [line for line in lines if json.loads(line)["step"] <= first]
        self.path.write_text("".join(kept), encoding="utf-8")
        if undone is not None:
            with undone.open("a", encoding="utf-8") as file:
                file.writelines(lines[len(kept) :])

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Writes the step's line."""
        if not logs or "loss" not in logs or not self._processes.is_main:
            return  # the summary at the end, not a step
        line = {"step": state.global_step, "epoch": round(float(logs.get("epoch", 0.0)), 6)}
        line |= {name: logs[name] for name in METRICS if name in logs}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Reports, and asks for a checkpoint if somebody wants to stop."""
        self._on_progress(state.global_step, state.max_steps)
        if self._processes.count > 1:
            self.stop_requested = any(self._processes.gather([self.stop_requested]))
        if self.stop_requested:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stops once the checkpoint is whole."""
        if self.stop_requested:
            raise KeyboardInterrupt


@contextmanager
def stop_at_step_end(journal: TrainingJournal) -> Iterator[None]:
    """The first Ctrl-C saves a checkpoint at the step's end; a second stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    previous = signal.getsignal(signal.SIGINT)

    def request(number: int, frame: object) -> None:
        journal.stop_requested = True
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, request)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def shown(
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[Callable[[str, int, int], None]]:
    """A reporter (what, done, of): the caller's where there is one, else a bar on stderr."""
    if on_progress is not None:
        yield lambda what, done, total: on_progress(done, total)
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield report


def _lines(path: Path) -> list[str]:
    """Whole lines only: a kill may have cut the last one short."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n") and _is_json(line)]


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
