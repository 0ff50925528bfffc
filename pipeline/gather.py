"""Puts together what the layers and rounds of a run left, in the places of a plain run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files.lines import json_lines
from ..files.write import write_atomically
from ..preferences.dataset import Pairs
from ..trainer.checkpoint import write_json
from .resolved import Resolved
from .unit import Unit, read_record, units_of, weights_in

if TYPE_CHECKING:
    from ..trainer.conditions.monitors import Check

GATHERED = ("metrics.jsonl", "reference.json", "conditions.jsonl", "forgetting.json")


def last_weights(run: Path) -> Path:
    """The weights the whole run ends with."""
    return weights_in(run / "40_training")


def gather(resolved: Resolved, run: Path) -> str:
    """Copies the last weights, joins metrics and logs, and writes the forgetting matrix.

    Steps are counted on over the layers: `step` is the place on the learning curves,
    `layer_step` the layer's own. Rolled-back stretches take room on that axis, too.
    """
    from ..trainer.result import TrainedModel

    units, folder = units_of(resolved), run / "40_training"
    last = run / units[-1].folder
    source = weights_in(last)
    shutil.rmtree(folder / source.name, ignore_errors=True)
    shutil.copytree(source, folder / source.name)
    shutil.copy(last / "reference.json", folder / "reference.json")
    offsets = _offsets(units, run)
    for name in ("metrics.jsonl", "metrics_undone.jsonl", "conditions.jsonl"):
        rows = [row for unit in units for row in _moved(unit, run, name, offsets)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_atomically(folder / name, text)
    matrix = forgetting(units, run)
    write_json(folder / "forgetting.json", {"rows": matrix, "offsets": offsets})
    trained = [read_record(run / unit.folder) for unit in units]
    steps = sum(int(str(record.get("steps", 0))) for record in trained)
    reference = json.loads((last / "reference.json").read_text("utf-8"))["fingerprint"]
    TrainedModel(
        path=folder / source.name,
        method=str(trained[0].get("method", "lora")),
        base=resolved.model,
        reference=str(reference),
        metrics=folder / "metrics.jsonl",
        seconds=sum(float(str(record.get("seconds", 0))) for record in trained),
        steps=steps,
        pairs=sum(int(str(record.get("rows", 0))) for record in trained),
        too_long=sum(int(str(record.get("too_long", 0))) for record in trained),
    ).save(folder)
    if resolved.rounds > 1:
        _gather_pairs(resolved, run)
    claims = (run / unit.folder / "training.json" for unit in units)
    said = [json.loads(file.read_text("utf-8")).get("labels") for file in claims if file.exists()]
    if any(said):
        labels = " ".join(dict.fromkeys(filter(None, said)))
        write_json(folder / "training.json", {"labels": labels})
    return f"{len(units)} layers, {steps} steps; forgetting matrix of {len(matrix)} rows"


def forgetting(units: tuple[Unit, ...], run: Path) -> list[dict[str, Any]]:
    """Rows of the forgetting matrix: before training, then the end of every layer.

    Each holds per failure mode the mean margin of the probe (nats per token) with its 95% t
    interval, and its paired change since the row before. Layers without a rest have none.
    """
    from ..stats.intervals import paired_mean_difference
    from ..trainer.conditions.journal import read_checks

    checks: list[tuple[str, Check]] = []
    for unit in units:
        found = read_checks(run / unit.folder)
        if found and not checks:
            checks.append(("before training", found[0]))
        if found:
            undone = bool(read_record(run / unit.folder).get("undone"))
            checks.append((unit.label + (" (undone)" if undone else ""), found[-1]))
    rows: list[dict[str, Any]] = []
    for place, (label, check) in enumerate(checks):
        modes: dict[str, Any] = {}
        for mode, mean in check.by_mode().items():
            ends = mean.interval
            modes[mode] = {"mean": mean.value, "low": ends.low, "high": ends.high, "n": mean.n}
            if place:
                before = checks[place - 1][1]
                items = [item for item, shown in check.modes.items() if shown == mode]
                items = [item for item in items if item in before.probe]
                change = paired_mean_difference(
                    [before.probe[item] for item in items], [check.probe[item] for item in items]
                )
                low, high = change.interval.low, change.interval.high
                modes[mode] |= {"change": change.value, "change_low": low, "change_high": high}
        rows.append({"label": label, "kl": check.kl, "seconds": check.seconds, "modes": modes})
    return rows


def _offsets(units: tuple[Unit, ...], run: Path) -> dict[str, int]:
    """Label -> steps on the common axis before the layer begins."""
    offsets: dict[str, int] = {}
    used = 0
    for unit in units:
        offsets[unit.label] = used
        names = ("metrics.jsonl", "metrics_undone.jsonl")
        steps = [row["step"] for name in names for row in _rows(run / unit.folder / name)]
        used += max(steps, default=0)
    return offsets


def _moved(unit: Unit, run: Path, name: str, offsets: dict[str, int]) -> Iterator[dict[str, Any]]:
    for row in _rows(run / unit.folder / name):
        step = row["step"]
        place = {"step": offsets[unit.label] + step, "layer_step": step, "layer": unit.label}
        yield {**row, **place}


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [row for _, row in json_lines(path.read_text("utf-8"))]


def _gather_pairs(resolved: Resolved, run: Path) -> None:
    """All rounds' pairs in one file; outcomes and confounds of the last round."""
    every = {}
    for number in range(resolved.rounds):
        for pair in Pairs.load(run / f"round-{number + 1}" / "30_pairs.jsonl"):
            every[pair.id] = pair
    Pairs(every.values()).save(run / "30_pairs.jsonl")
    for name in ("31_outcomes.json", "32_confounds.json"):
        shutil.copy(run / f"round-{resolved.rounds}" / name, run / name)
