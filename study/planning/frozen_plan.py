"""Keeps the plan as it was before the first run, and lists what departed from it since."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import RunDirectoryError
from ...files.write import write_json
from ..design import Design

FILE = "plan.json"


@dataclass(frozen=True, slots=True)
class FrozenPlan:
    """What was declared, and when.

    Attributes:
        when: Date and time (UTC) of the first `study run`.
        after_the_fact: True if runs of the study were already finished then.
        data: Question, outcome, comparisons, arms, seeds, no-harm margins, stopping rule.
    """

    when: str
    after_the_fact: bool
    data: dict[str, Any]


def declared(design: Design) -> dict[str, Any]:
    """The part of a study that must be fixed before its results are known."""
    spec = design.spec
    written = spec.model_dump(mode="json")
    kept = ("question", "against", "comparisons", "seeds", "vary", "outcome", "secondary")
    return {
        **{name: written[name] for name in kept},
        "no_harm": written["no_harm"],
        "stop": written["stop"],
        "runs": {run.name: [run.arm, run.seed] for run in design.runs},
    }


def freeze(design: Design, folder: Path, *, finished: int) -> FrozenPlan:
    """Writes the plan down at the first start; later starts read it back unchanged.

    Raises:
        RunDirectoryError: The file cannot be written, or is damaged.
    """
    path = folder / FILE
    if not path.exists():
        now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        write_json(path, {"when": now, "late": finished > 0, "plan": declared(design)})
    found = read_frozen(folder)
    if found is None:
        raise RunDirectoryError(f"{path} cannot be read; move it away and run again.")
    return found


def read_frozen(folder: Path) -> FrozenPlan | None:
    """The plan as it was written down; None where there is none or it is damaged."""
    try:
        data = json.loads((folder / FILE).read_text("utf-8"))
        return FrozenPlan(str(data["when"]), bool(data["late"]), dict(data["plan"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def deviations(design: Design, frozen: FrozenPlan | None) -> list[str]:
    """What a reader must know about the plan, in sentences; [] where it was kept."""
    if frozen is None:
        return ["No plan was written down before the runs: nothing here was declared."]
    found = []
    if frozen.after_the_fact:
        found.append(f"The plan was written down on {frozen.when}, after runs had finished.")
    now = json.loads(json.dumps(declared(design)))
    for name, text in (
        ("outcome", "THE PRIMARY OUTCOME WAS DECLARED OR CHANGED AFTER THE FACT"),
        ("against", "The arm compared with was changed"),
        ("comparisons", "The declared comparisons were changed"),
        ("no_harm", "The no-harm margins were changed"),
        ("seeds", "The seeds were changed"),
        ("vary", "What the seeds vary was changed"),
        ("question", "The question was changed"),
        ("stop", "The stopping rule was changed"),
    ):
        if now[name] != frozen.data.get(name):
            found.append(f"{text}: {_short(frozen.data.get(name))} became {_short(now[name])}.")
    old, new = _cells(frozen.data), _cells(now)
    if added := sorted(new - old):
        found.append(f"Added since: {_listed(added)}.")
    if dropped := sorted(old - new):
        found.append(f"Dropped since: {_listed(dropped)}.")
    changed = sorted(cell for cell in old & new if _name(frozen.data, cell) != _name(now, cell))
    if changed:
        found.append(f"Config changed since: {_listed(changed)}.")
    return found


def _cells(data: dict[str, Any]) -> set[tuple[str, int]]:
    return {(str(arm), int(seed)) for arm, seed in data.get("runs", {}).values()}


def _name(data: dict[str, Any], cell: tuple[str, int]) -> str:
    return next(str(name) for name, (arm, seed) in data["runs"].items() if (arm, seed) == cell)


def _listed(cells: list[tuple[str, int]]) -> str:
    arms = list(dict.fromkeys(arm for arm, _ in cells))
    shown = ", ".join(arms[:6]) + (", ..." if len(arms) > 6 else "")
    return f"{len(cells)} runs ({shown})"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "/".join(str(v) for v in value.values() if v)
    return json.dumps(value) if value is not None else "nothing"
