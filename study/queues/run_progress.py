"""Writes how far a run is to a small file beside it, which other processes read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ...files.write import replacing
from ...pipeline.progress import StageProgress

FILE = ".progress.json"
_SECONDS = 0.5  # between two writes


class FileProgress(StageProgress):
    """Writes the stage and its count to a file, at most twice a second."""

    def __init__(self, path: Path) -> None:
        super().__init__(Console(quiet=True), quiet=True)
        self.path = path
        self._title = ""
        self._written = 0.0

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Names the stage while it runs."""
        self._title = title
        self._write(0, 0)
        yield

    def step(self, title: str) -> None:
        """Names the next step of the stage."""
        self._title = title
        self._write(0, 0)

    def update(self, done: int, total: int) -> None:
        """Notes how many of `total` units are done."""
        if time.monotonic() - self._written > _SECONDS:
            self._write(done, total)

    def _write(self, done: int, total: int) -> None:
        self._written = time.monotonic()
        with suppress(OSError), replacing(self.path) as scratch:  # not worth a run
            scratch.write_text(json.dumps({"title": self._title, "done": done, "total": total}))


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What a run was last seen doing.

    Attributes:
        title: The stage or its step, "" where nothing is known.
        done: Units done.
        total: Units in all, 0 where not known.
    """

    title: str
    done: int
    total: int

    @property
    def text(self) -> str:
        """Title and count in one line."""
        return f"{self.title} {self.done}/{self.total}" if self.total else self.title


def read_progress(run: Path) -> RunProgress:
    """The last note of a run directory; an empty one where there is none."""
    try:
        data = json.loads((run / FILE).read_text("utf-8"))
        return RunProgress(str(data["title"]), int(data["done"]), int(data["total"]))
    except (OSError, ValueError, KeyError, TypeError):
        return RunProgress("", 0, 0)


def last_condition(run: Path) -> str:
    """The newest line of the run's condition logs, "" where nothing was noted."""
    newest = ""
    for file in sorted((run / "40_training").rglob("conditions.jsonl")):
        try:
            lines = file.read_text("utf-8").splitlines()
            row = json.loads(lines[-1]) if lines else {}
        except (OSError, ValueError):
            continue
        newest = " ".join(str(row[k]) for k in ("monitor", "action") if row.get(k)) or newest
    return newest
