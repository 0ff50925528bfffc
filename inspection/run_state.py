"""What became of a run: read from its directory, with its files checked against their hashes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import StoreError
from ..files.write import hash_path
from ..llm.budget import Spending
from ..pipeline.manifest import Manifest
from ..pipeline.spending import read_spending

State = Literal["finished", "running", "stopped", "failed", "corrupt", "missing"]


_NOTHING = Spending()


@dataclass(frozen=True, slots=True)
class RunState:
    """State of a run directory.

    Attributes:
        state: `finished` only if the files are as their stages left them; `missing`
            where there is no run; `running` also after a kill that nobody noted.
        reason: Of a failure, or what is corrupt; else the last stage.
        seconds: Wall time of all stages that ran here.
        calls: Model calls made here.
        adopted: Stages whose result was taken over.
        spent: What all starts of the run have cost.
    """

    state: State
    reason: str = ""
    seconds: float = 0.0
    calls: int = 0
    adopted: int = 0
    spent: Spending = _NOTHING


def run_state(run: Path, *, check: tuple[str, ...] | None = None) -> RunState:
    """Reads a run directory's manifest and checks the files of its stages.

    Args:
        run: The run directory.
        check: Stages whose files are hashed; None for all.
    """
    if not (run / "manifest.json").is_file():
        return RunState("missing")
    try:
        manifest = Manifest(run)
        state = manifest.status.get("state", "running")
        reason = manifest.status.get("reason", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return RunState("corrupt", f"manifest.json cannot be read ({error})")
    seconds = sum(record.seconds for record in manifest.stages.values())
    calls = sum(record.calls for record in manifest.stages.values())
    adopted = sum(bool(record.adopted) for record in manifest.stages.values())
    try:
        spent = read_spending(run / "spending.jsonl")
    except StoreError as error:
        return RunState("corrupt", str(error), seconds, calls, adopted)
    damaged = damaged_files(manifest, check)
    if state == "finished" and damaged:
        return RunState(
            "corrupt", f"changed since it was made: {damaged[0]}", seconds, calls, 0, spent
        )
    known: State = state if state in ("finished", "stopped", "failed") else "running"  # type: ignore[assignment]
    return RunState(known, reason, seconds, calls, adopted, spent)


def damaged_files(manifest: Manifest, check: tuple[str, ...] | None = None) -> list[str]:
    """Outputs that are gone or are not what their stage left."""
    found = []
    for stage, record in manifest.stages.items():
        if check is not None and stage not in check:
            continue
        for name, digest in record.outputs.items():
            path = manifest.folder / name
            if not path.exists() or hash_path(path) != digest:
                found.append(name)
    return found


def note_failure(run: Path, reason: str) -> None:
    """Writes down why a run ended that could not do so itself; nothing where it has no folder."""
    if not (run / "config.yaml").is_file():
        return
    try:
        manifest = Manifest(run)
    except (OSError, ValueError, KeyError, TypeError):
        (run / "manifest.json").write_text(json.dumps({"stages": {}, "status": {}}))
        manifest = Manifest(run)
    if manifest.status.get("state") == "finished":
        return  # such as by another process, which this one found at work
    if manifest.status.get("state") in ("failed", "stopped") and not reason.startswith("killed"):
        return  # it has said so in its own words
    manifest.set_status("failed", reason)
