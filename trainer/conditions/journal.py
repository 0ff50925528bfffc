"""What a watched training is given from outside, and must remember over a kill."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...files.lines import json_lines
from ...files.write import replacing
from ...prompts.labelled import LabelledPair
from ..checkpoint import write_json
from .monitors import Check, Finding
from .settings import MonitorSettings


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """How one training is watched.

    Attributes:
        settings: The monitors.
        labelled: Labelled pairs of the probe, never trained on.
        ends: Checks before any training and at the end of every earlier layer.
        earlier: All earlier checks, oldest first, for the stall monitor.
        pool: Earlier data (`Pair` or `Lesson`, as the training takes) for a replay.
        label: What the training is called in the log.
    """

    settings: MonitorSettings
    labelled: Sequence[LabelledPair]
    ends: tuple[Check, ...] = ()
    earlier: tuple[Check, ...] = ()
    pool: Sequence[Any] = field(default=())
    label: str = ""


def replay_sample(pool: Sequence[Any], modes: Sequence[str], limit: int, seed: int) -> list[Any]:
    """Earlier data for a replay, drawn with a seed."""
    wanted = [row for row in pool if not modes or row.failure_mode in modes]
    generator = random.Random(seed)  # noqa: S311
    return generator.sample(wanted, min(limit, len(wanted)))


CHECKS, STATE, LOG = "checks.jsonl", "watch.json", "conditions.jsonl"


@dataclass(slots=True)
class State:
    """What has been done so far.

    Attributes:
        good: Step of the last check that nothing was rolled back at; 0 is the start.
        rollbacks: How often the layer went back.
        tries: Rollbacks for the trouble it is in; see `Watch.tries_at`.
        trouble: Step of the last rollback's finding; 0 for none.
        scales: Step -> what the rate is multiplied by when training goes on from there.
        replays: Steps after which earlier data were replayed.
        replaying: Step and failure modes of a replay that is under way, or None.
        ended: Why the layer ended before its last step; "" if it did not.
        undone: True if it ended at the last good check instead of where it stood.
        stops_run: True if nothing after this layer may be trained.
        carry: What later layers' rates are multiplied by.
    """

    good: int = 0
    rollbacks: int = 0
    tries: int = 0
    trouble: int = 0
    scales: dict[str, float] = field(default_factory=dict)
    replays: list[int] = field(default_factory=list)
    replaying: dict[str, Any] | None = None
    ended: str = ""
    undone: bool = False
    stops_run: bool = False
    carry: float = 1.0


class WatchMemory:
    """The files of one watched training."""

    def __init__(self, folder: Path, label: str) -> None:
        self.folder = folder
        self._label = label
        self.state = State()
        path = folder / STATE
        if path.exists():
            self.state = State(**json.loads(path.read_text(encoding="utf-8")))
        self.checks = read_checks(folder)
        self._logged = {_key(event) for event in read_log(folder)}

    def save(self) -> None:
        """Writes the state in one step."""
        write_json(self.folder / STATE, asdict(self.state))

    def add(self, check: Check) -> None:
        """Keeps a check; one of the same step is replaced."""
        self.checks = [c for c in self.checks if c.step != check.step] + [check]
        self._write_checks()

    def cut(self, step: int) -> None:
        """Forgets checks after a step."""
        kept = [check for check in self.checks if check.step <= step]
        if len(kept) < len(self.checks):
            self.checks = kept
            self._write_checks()

    def at(self, step: int) -> Check | None:
        """The check of a step, if there was one."""
        return next((check for check in self.checks if check.step == step), None)

    def log(self, finding: Finding, policy: str, action: str) -> None:
        """Appends one line to `conditions.jsonl`; the same event is written once."""
        event = {
            "label": self._label,
            "attempt": self.state.rollbacks,
            "policy": policy,
            "action": action,
            **asdict(finding),
        }
        if _key(event) in self._logged:
            return
        self._logged.add(_key(event))
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")

    def _write_checks(self) -> None:
        text = "".join(json.dumps(check.to_json()) + "\n" for check in self.checks)
        with replacing(self.folder / CHECKS) as scratch:
            scratch.write_text(text, encoding="utf-8")


def read_checks(folder: Path) -> list[Check]:
    """The checks of a training, oldest first; none if it was not watched."""
    path = folder / CHECKS
    if not path.exists():
        return []
    return [Check.from_json(row) for _, row in json_lines(path.read_text(encoding="utf-8"))]


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of `conditions.jsonl`; a line that a kill cut short is left out."""
    path = folder / LOG
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [event for _, event in json_lines(text, lambda line, error: None)]


def _key(event: dict[str, Any]) -> tuple[object, ...]:
    return event["attempt"], event["step"], event["monitor"], event["action"]
