"""What each stage made, from what: the file that decides whether a stage may be skipped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ..files.write import hash_path, write_atomically


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One finished stage.

    Attributes:
        key: SHA-256 of the stage's version, its part of the config and the
            hashes of its inputs.
        outputs: File or folder, relative to the run directory -> SHA-256.
        seconds: Wall time of the run that made the outputs.
        calls: Model calls made, not counting those answered by the store.
        adopted: Name of the run the outputs were copied from, "" if made here.
        version: The stage's version then; 0 where it was not written down yet.
    """

    key: str
    outputs: dict[str, str]
    seconds: float
    calls: int
    adopted: str = ""
    version: int = 0


def stage_key(version: int, config: object, inputs: Mapping[str, str]) -> str:
    """SHA-256 (hex) that changes whenever the stage would do something else.

    Args:
        version: The stage's own version; raised when its code changes meaning.
        config: The stage's part of the config, as plain JSON data.
        inputs: Name -> hash of everything it reads.
    """
    payload = json.dumps([version, config, dict(inputs)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(payload.encode()).hexdigest()


class Finished(Protocol):
    """What is written down of a stage."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> int:
        """Its version."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it left, relative to the run directory."""


class Manifest:
    """`manifest.json` of one run directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "manifest.json"
        self.stages: dict[str, StageRecord] = {}
        self.status: dict[str, str] = {}
        self.changes: list[dict[str, Any]] = []
        if self.path.exists():
            data = json.loads(self.path.read_text("utf-8"))
            self.stages = {name: StageRecord(**record) for name, record in data["stages"].items()}
            self.status = data.get("status", {})
            self.changes = data.get("changes", [])

    def is_fresh(self, stage: str, key: str) -> bool:
        """True if the stage ran with this key and its outputs are still as it left them."""
        record = self.stages.get(stage)
        if record is None or record.key != key:
            return False
        return all(
            (self.folder / name).exists() and hash_path(self.folder / name) == digest
            for name, digest in record.outputs.items()
        )

    def record(
        self,
        stage: Finished,
        key: str,
        *,
        seconds: float,
        calls: int,
        adopted: str = "",
    ) -> None:
        """Writes down a finished stage with the hashes of what it left."""
        self.stages[stage.name] = StageRecord(
            key=key,
            outputs={name: hash_path(self.folder / name) for name in stage.outputs},
            seconds=round(seconds, 1),
            calls=calls,
            adopted=adopted,
            version=stage.version,
        )
        self.save()

    def forget(self, stage: str) -> None:
        """Makes the stage run again next time."""
        if self.stages.pop(stage, None) is not None:
            self.save()

    def set_status(self, state: str, reason: str = "") -> None:
        """Writes down whether the run is `running`, `finished`, `stopped` or `failed`, and why."""
        self.status = {"state": state, "reason": reason}
        self.save()

    def note_change(self, changed: Mapping[str, Any]) -> None:
        """Writes down that the config was changed and the run went on with it.

        Args:
            changed: Dotted name -> what stood there and what stands there now.
        """
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self.changes.append({"when": when, "changed": dict(changed)})
        self.save()

    def save(self) -> None:
        """Writes the file in one step."""
        stages = {name: asdict(record) for name, record in self.stages.items()}
        data = {"status": self.status, "stages": stages}
        data |= {"changes": self.changes} if self.changes else {}
        text = json.dumps(data, indent=2, sort_keys=True)
        write_atomically(self.path, text + "\n")
