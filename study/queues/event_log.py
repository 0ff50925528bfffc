"""Writes `events.jsonl`: when each run of a study started and how it ended."""

from __future__ import annotations

import json
import time
from pathlib import Path

from ...errors import RunDirectoryError
from ...files.lines import json_lines
from ...files.write import append_lines
from .local_queue import QueueState

FILE = "events.jsonl"


class EventLog:
    """Appends what changed since the last look.

    Args:
        folder: The study's own folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._started: set[str] = set()
        self._ended: set[str] = set()

    def note(self, state: QueueState) -> None:
        """Writes one line per run that started or ended.

        Raises:
            RunDirectoryError: It cannot be written.
        """
        started = set(state.started) - self._started
        ended = set(state.ended) - self._ended
        rows = [{"event": "start", "run": name} for name in sorted(started)]
        rows += [
            {"event": "failed" if state.ended[name] else "done", "run": name,
             "reason": state.ended[name]}
            for name in sorted(ended)
        ]  # fmt: skip
        if not rows:
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            append_lines(self.path, [json.dumps({"at": now, **row}) for row in rows])
        except OSError as error:
            raise RunDirectoryError(f"cannot write {self.path}: {error.strerror}") from error
        self._started |= started
        self._ended |= ended


def failures(folder: Path) -> list[tuple[str, str, str]]:
    """(time, run, reason) of every failure noted, also of runs that succeeded later."""
    try:
        text = (folder / FILE).read_text("utf-8")
    except OSError:
        return []
    found = []
    for _, row in json_lines(text, lambda line, error: None):  # a kill may cut a line
        try:
            if row["event"] == "failed":
                found.append((str(row["at"]), str(row["run"]), str(row["reason"])))
        except (KeyError, TypeError):
            continue
    return found
