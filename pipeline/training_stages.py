"""Training as stages: one per layer and round, then one that gathers what they left."""

from __future__ import annotations

import ctypes
import gc
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from ..errors import ReferenceMismatchError, RunDirectoryError, TrainingError
from ..files.write import hash_path, write_json
from ..preferences.label_accuracy import effect, sentence
from ..trainer.config import TrainConfig
from .gather import GATHERED, gather, last_weights
from .inputs import hash_data, hash_labelled, probe_pairs
from .progress import StageProgress
from .resolved import Resolved
from .stage import Context, Stage
from .unit import RECORD, Unit, read_record, units_of, weights_in
from .unit_data import (
    earlier_lessons,
    earlier_pairs,
    label_standing,
    lessons_for,
    pairs_for,
    with_replay,
)

if TYPE_CHECKING:
    from ..trainer.conditions.journal import WatchPlan
    from ..trainer.conditions.monitors import Check
    from ..trainer.origin import Origin
    from ..trainer.result import TrainedModel


def training_stages(resolved: Resolved, number: int) -> tuple[Stage, ...]:
    """The stages that train one 0-based round."""
    units = units_of(resolved)
    if len(units) == 1 and units[0].layer is None:
        return (UnitStage(resolved, units[0], "training"),)
    here = [unit for unit in units if unit.round == number]
    stages = tuple(UnitStage(resolved, unit, f"training/{unit.name}") for unit in here)
    if number < resolved.rounds - 1:
        return stages
    return (*stages, GatherStage(resolved))


class UnitStage(Stage):
    """Trains one layer of one round."""

    def __init__(self, resolved: Resolved, unit: Unit, name: str) -> None:
        leaves = resolved.training(unit.layer).leaves
        left = [f"{unit.folder}/{file}" for file in (leaves, "metrics.jsonl", "reference.json")]
        if not resolved.is_plain:
            left.append(f"{unit.folder}/{RECORD}")
        self.version = 1 if resolved.is_plain else 2
        self.unit = unit
        self.name = name
        self.title = f"training {unit.label}".strip()
        self.outputs = tuple(left)

    def settings(self, resolved: Resolved) -> object:
        """How the layer is trained, and which pairs are chosen."""
        return resolved.training_identity(self.unit.layer)

    def inputs(self, context: Context) -> dict[str, str]:
        """The model, the rows, the probe, and what the unit before left and ordered."""
        resolved, run, unit = context.resolved, context.run.path, self.unit
        inputs = {"model": context.models.identity(resolved.model)}
        if unit.layer is None or (unit.layer.kind == "dpo" and unit.layer.data is None):
            inputs["pairs"] = hash_path(run / unit.pairs)
        elif unit.layer.kind == "dpo":
            inputs["pairs"] = hash_path(Path(str(unit.layer.data)))
        else:
            inputs["lessons"] = hash_data([[x.prompt, x.text] for x in lessons_for(unit)])
        changed = [] if "lessons" in inputs else self._labels(context)[0]
        if changed:
            inputs["labels"] = hash_data(changed)
        if not resolved.is_plain:
            inputs["exemplars"] = hash_labelled(probe_pairs(resolved))
        if unit.place:
            before = run / units_of(resolved)[unit.place - 1].folder
            inputs["start"] = hash_path(weights_in(before))
            record = read_record(before)
            inputs["orders"] = hash_data([record.get(key) for key in ("carry", "stops_run")])
        return inputs

    def _labels(self, context: Context) -> tuple[list[object], str]:
        """What the standing of its labels changes, and says; nothing for rows of other files."""
        layer = self.unit.layer
        if layer is not None and (layer.kind != "dpo" or layer.data is not None):
            return [], ""
        labels = label_standing(context.resolved, context.run.path / self.unit.pairs)
        change = [] if labels.trust == "all" else effect(labels.table, labels.said)
        return change, sentence(labels.table)

    def execute(self, context: Context) -> str:
        """Trains, and ends the run loudly where a monitor stopped and layers were to follow."""
        from ..trainer.processes import Processes

        Processes().from_main(lambda: True)  # those of a launcher wait for it: `together`
        context.models.release()  # the trainer loads its own copy; do not hold two
        resolved, run, unit = context.resolved, context.run.path, self.unit
        earlier = units_of(resolved)[: unit.place]
        for before in earlier:
            _refuse_to_go_on(resolved, before, read_record(run / before.folder))
        carries = (float(str(read_record(run / u.folder).get("carry", 1.0))) for u in earlier)
        training = resolved.training(unit.layer, math.prod(carries))
        _, labels = self._labels(context)
        if labels:
            context.progress.say(escape(labels))
        with context.progress.saying(_loss_of(run / unit.folder / "metrics.jsonl")):
            try:
                result = _train(context, unit, training)
            except (RunDirectoryError, ReferenceMismatchError) as error:
                if not is_outdated(resolved, error):
                    raise
                set_aside(run / unit.folder, context.progress)
                result = _train(context, unit, training)
        return_memory()
        if labels:
            claimed = run / unit.folder / "training.json"
            write_json(claimed, {**json.loads(claimed.read_text("utf-8")), "labels": labels})
        said = f"{result.steps} steps in {result.seconds:.0f} s, {result.layout}"
        if resolved.is_plain:
            return said
        events = _write_record(context, unit, training, result)
        _refuse_to_go_on(resolved, unit, read_record(run / unit.folder))
        return "; ".join([said, *events])


class GatherStage(Stage):
    """Puts what the layers and rounds left where a plain run leaves it."""

    name = "training"
    title = "gathering the layers"

    def __init__(self, resolved: Resolved) -> None:
        left = [f"40_training/{name}" for name in (resolved.training().leaves, *GATHERED)]
        if resolved.rounds > 1:
            left += ["30_pairs.jsonl", "31_outcomes.json", "32_confounds.json"]
        self.outputs = tuple(left)

    def settings(self, resolved: Resolved) -> object:
        """How many rounds and layers."""
        return [resolved.rounds, len(resolved.layers)]

    def inputs(self, context: Context) -> dict[str, str]:
        """The record of every unit."""
        return {
            unit.folder: hash_path(context.run.path / unit.folder / RECORD)
            for unit in units_of(context.resolved)
        }

    def execute(self, context: Context) -> str:
        """Gathers."""
        return gather(context.resolved, context.run.path)


def _train(context: Context, unit: Unit, training: TrainConfig) -> TrainedModel:
    from ..trainer.origin import Origin
    from ..trainer.supervised import train_lessons
    from ..trainer.train import train

    resolved, run = context.resolved, context.run.path
    earlier = units_of(resolved)[: unit.place]
    origin: Origin | None = None
    if earlier:
        origin = Origin(weights_in(run / earlier[-1].folder), resolved.reference)
    watch = _plan(context, unit, earlier)
    share, seed = (unit.layer.replay if unit.layer else 0.0), resolved.training_seed
    if unit.layer is not None and unit.layer.kind == "sft":
        lessons = lessons_for(unit)
        if share or watch:
            texts = earlier_lessons(resolved, earlier, run)
            lessons = with_replay(lessons, texts, share, seed)
            watch = replace(watch, pool=texts) if watch else None
        return train_lessons(
            lessons,
            model=resolved.model,
            config=training,
            output=run / unit.folder,
            on_progress=context.progress.update,
            origin=origin,
            watch=watch,
        )
    pairs = pairs_for(resolved, unit, run)
    if share or watch:
        pool = earlier_pairs(resolved, earlier, run)
        pairs = with_replay(pairs, pool, share, seed)
        watch = replace(watch, pool=pool) if watch else None
    return train(
        pairs,
        model=resolved.model,
        config=training,
        output=run / unit.folder,
        store=context.models.store,
        on_progress=context.progress.update,
        origin=origin,
        watch=watch,
    )


def _loss_of(metrics: Path) -> Callable[[float, float | None], str]:
    """Says the last loss that a training has written down."""

    def said(done: float, total: float | None) -> str:
        try:
            last = metrics.read_bytes()[-400:].splitlines()[-1]
            return f"loss {float(json.loads(last)['loss']):.3f}"
        except (OSError, ValueError, LookupError, TypeError):
            return ""  # no step is done, or its line is being written

    return said


def _plan(context: Context, unit: Unit, earlier: Sequence[Unit]) -> WatchPlan | None:
    from ..trainer.conditions.journal import WatchPlan, read_checks

    resolved, run = context.resolved, context.run.path
    watched = resolved.watched
    if watched is None:
        return None
    checks: list[list[Check]] = [read_checks(run / u.folder) for u in earlier]
    checks = [found for found in checks if found]  # a layer that was skipped has none
    ends = (checks[0][0], *(found[-1] for found in checks)) if checks else ()
    every = tuple(check for found in checks for check in found)
    return WatchPlan(watched, probe_pairs(resolved), ends, every, (), unit.label)


def _write_record(
    context: Context, unit: Unit, training: TrainConfig, result: TrainedModel
) -> list[str]:
    """Writes `layer.json`; returns what the stage's line says of the monitors."""
    from ..trainer.conditions.journal import WatchMemory, read_log

    folder = context.run.path / unit.folder
    state = WatchMemory(folder, unit.label).state
    events = read_log(folder)
    record = {
        "label": unit.label,
        "round": unit.round + 1,
        "kind": unit.layer.kind if unit.layer else "dpo",
        "rows": result.pairs,
        "too_long": result.too_long,
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "learning_rate": training.learning_rate,
        "epochs": training.epochs,
        "method": training.method,
        "reference": result.reference,
        "weights": hash_path(result.path),
        "ended": state.ended,
        "undone": state.undone,
        "stops_run": state.stops_run,
        "carry": state.carry,
        "events": len(events),
        "rested": context.resolved.rests,
    }
    write_json(folder / RECORD, record)
    return [f"{e['monitor']} at step {e['step']}: {e['action']}" for e in events]


def _refuse_to_go_on(resolved: Resolved, unit: Unit, record: dict[str, object]) -> None:
    """Ends the run with an error where a monitor stopped training and layers were to follow."""
    units = units_of(resolved)
    if not record.get("stops_run") or unit.place == len(units) - 1:
        return
    monitor = str(record["ended"]).split(":")[0]
    after = ", ".join(later.label for later in units[unit.place + 1 :])
    raise TrainingError(
        f"a monitor stopped the training in {unit.label} ({record['ended']}), so that {after} "
        f"cannot be trained. If it should have gone on, set conditions.monitors.{monitor} to "
        "warn and give the run another `name` (its pairs come from the store); if what stopped "
        f"it is mended, move {unit.folder} away and run again."
    )


def round_weights(resolved: Resolved, run: Path) -> dict[str, Path]:
    """Model name -> weights: `trained` is the last; with rounds, also each one before."""
    units = units_of(resolved)
    found = {}
    for number in range(resolved.rounds - 1):
        last = [unit for unit in units if unit.round == number][-1]
        found[f"round-{number + 1}"] = weights_in(run / last.folder)
    return {**found, "trained": last_weights(run)}


def return_memory() -> None:
    """Collects garbage and lets the C library return its free pages.

    Training leaves gigabytes of freed blocks with the allocator, on top of which the
    evaluation would ask for more. Does nothing beyond the collection where the C
    library is not glibc.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def is_outdated(resolved: Resolved, error: Exception) -> bool:
    """Whether the folder holds what an earlier state of this run trained.

    Such as before an archetype was edited. Other hardware is no reason to begin anew, and
    several processes must agree, so there the error stands.
    """
    from ..trainer.processes import launched

    if launched() > 1:
        return False
    return not resolved.is_plain or "pairs" in getattr(error, "differs", ())


def set_aside(folder: Path, progress: StageProgress) -> None:
    """Gives an outdated training a name of its own beside its place; nothing is deleted."""
    number = 1
    while (old := folder.with_name(f"{folder.name}.old{number if number > 1 else ''}")).exists():
        number += 1
    folder.rename(old)
    progress.say(f"{folder.name} held an earlier state of this run, kept as {old.name}")
