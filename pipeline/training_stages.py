"""Training as stages: one per layer and round, then one that gathers what they left."""

from __future__ import annotations

import ctypes
import gc
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ReferenceMismatchError, RunDirectoryError, TrainingError
from ..files.write import hash_path, write_json
from ..trainer.config import TrainConfig
from .config import RunConfig
from .gather import GATHERED, gather, last_weights
from .inputs import hash_data, hash_labelled, probe_pairs
from .progress import StageProgress
from .resolved import conditions_of, is_plain, train_config
from .stage import Context, Stage
from .unit import RECORD, Unit, read_record, units_of, weights_in
from .unit_data import earlier_lessons, earlier_pairs, lessons_for, pairs_for, with_replay

if TYPE_CHECKING:
    from ..trainer.conditions.check import Check
    from ..trainer.conditions.plan import WatchPlan
    from ..trainer.origin import Origin
    from ..trainer.result import TrainedModel


def training_stages(config: RunConfig, number: int) -> tuple[Stage, ...]:
    """The stages that train one 0-based round."""
    units = units_of(config)
    if len(units) == 1 and units[0].layer is None:
        return (_unit_stage(config, units[0], "training"),)
    here = [unit for unit in units if unit.round == number]
    stages = tuple(_unit_stage(config, unit, f"training/{unit.name}") for unit in here)
    if number < config.rounds - 1:
        return stages
    return (*stages, _gather_stage(config))


def _unit_stage(config: RunConfig, unit: Unit, name: str) -> Stage:
    leaves = train_config(config, unit.layer).leaves
    left = [f"{unit.folder}/{leaves}"]
    left += [f"{unit.folder}/{file}" for file in ("metrics.jsonl", "reference.json")]
    if not is_plain(config):
        left.append(f"{unit.folder}/{RECORD}")
    title = f"training {unit.label}".strip()
    return Stage(
        name,
        title,
        1 if is_plain(config) else 2,
        tuple(left),
        lambda config: _settings(config, unit),
        lambda context: _inputs(context, unit),
        lambda context: _execute(context, unit),
    )


def _settings(config: RunConfig, unit: Unit) -> object:
    training = config.training.model_dump(mode="json")
    chosen = config.selection
    if not chosen.is_all:
        training = {"training": training, "selection": chosen.model_dump(mode="json")}
    if is_plain(config):
        return training if chosen.is_all else list(training.values())
    layer = unit.layer.model_dump(mode="json") if unit.layer else None
    return [training, layer, conditions_of(config).model_dump(mode="json")]


def _inputs(context: Context, unit: Unit) -> dict[str, str]:
    config, run = context.config, context.run.path
    inputs = {"model": context.models.identity(config.model)}
    if unit.layer is None or (unit.layer.kind == "dpo" and unit.layer.data is None):
        inputs["pairs"] = hash_path(run / unit.pairs)
    elif unit.layer.kind == "dpo":
        inputs["pairs"] = hash_path(Path(str(unit.layer.data)))
    else:
        inputs["lessons"] = hash_data([[x.prompt, x.text] for x in lessons_for(unit)])
    if not is_plain(config):
        inputs["exemplars"] = hash_labelled(probe_pairs(config))
    if unit.place:
        before = run / units_of(config)[unit.place - 1].folder
        inputs["start"] = hash_path(weights_in(before))
        record = read_record(before)
        inputs["orders"] = hash_data([record.get(key) for key in ("carry", "stops_run")])
    return inputs


def _execute(context: Context, unit: Unit) -> str:
    from ..trainer.processes import Processes

    Processes().from_main(lambda: True)  # those of a launcher wait for it: `together`
    context.models.release()  # the trainer loads its own copy; do not hold two
    config, run = context.config, context.run.path
    earlier = units_of(config)[: unit.place]
    for before in earlier:
        _refuse_to_go_on(config, before, read_record(run / before.folder))
    carry = math.prod(float(str(read_record(run / u.folder).get("carry", 1.0))) for u in earlier)
    training = train_config(config, unit.layer, carry)
    try:
        result = _train(context, unit, training)
    except (RunDirectoryError, ReferenceMismatchError) as error:
        if not is_outdated(config, error):
            raise
        set_aside(run / unit.folder, context.progress)
        result = _train(context, unit, training)
    return_memory()
    said = f"{result.steps} steps in {result.seconds:.0f} s, {result.layout}"
    if is_plain(config):
        return said
    events = _write_record(context, unit, training, result)
    _refuse_to_go_on(config, unit, read_record(run / unit.folder))
    return "; ".join([said, *events])


def _train(context: Context, unit: Unit, training: TrainConfig) -> TrainedModel:
    from ..trainer.origin import Origin
    from ..trainer.supervised import train_lessons
    from ..trainer.train import train

    config, run = context.config, context.run.path
    earlier = units_of(config)[: unit.place]
    origin: Origin | None = None
    if earlier:
        reference = conditions_of(config).protection.reference
        origin = Origin(weights_in(run / earlier[-1].folder), reference)
    watch = _plan(context, unit, earlier)
    share, seed = (unit.layer.replay if unit.layer else 0.0), config.training.seed
    if unit.layer is not None and unit.layer.kind == "sft":
        lessons = lessons_for(unit)
        if share or watch:
            texts = earlier_lessons(config, earlier, run)
            lessons = with_replay(lessons, texts, share, seed)
            watch = replace(watch, pool=texts) if watch else None
        return train_lessons(
            lessons,
            model=config.model,
            config=training,
            output=run / unit.folder,
            on_progress=context.progress.update,
            origin=origin,
            watch=watch,
        )
    pairs = pairs_for(config, unit, run)
    if share or watch:
        pool = earlier_pairs(config, earlier, run)
        pairs = with_replay(pairs, pool, share, seed)
        watch = replace(watch, pool=pool) if watch else None
    return train(
        pairs,
        model=config.model,
        config=training,
        output=run / unit.folder,
        store=context.models.store,
        on_progress=context.progress.update,
        origin=origin,
        watch=watch,
    )


def _plan(context: Context, unit: Unit, earlier: Sequence[Unit]) -> WatchPlan | None:
    from ..trainer.conditions.journal import read_checks
    from ..trainer.conditions.plan import WatchPlan

    config, run = context.config, context.run.path
    conditions = conditions_of(config)
    if is_plain(config) or not conditions.room.rest:
        return None
    checks: list[list[Check]] = [read_checks(run / u.folder) for u in earlier]
    checks = [found for found in checks if found]  # a layer that was skipped has none
    ends = (checks[0][0], *(found[-1] for found in checks)) if checks else ()
    every = tuple(check for found in checks for check in found)
    return WatchPlan(conditions.watched, probe_pairs(config), ends, every, (), unit.label)


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
        "rested": conditions_of(context.config).room.rest,
    }
    write_json(folder / RECORD, record)
    return [f"{e['monitor']} at step {e['step']}: {e['action']}" for e in events]


def _refuse_to_go_on(config: RunConfig, unit: Unit, record: dict[str, object]) -> None:
    """Ends the run with an error where a monitor stopped training and layers were to follow."""
    units = units_of(config)
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


def _gather_stage(config: RunConfig) -> Stage:
    leaves = train_config(config).leaves
    left = [f"40_training/{name}" for name in (leaves, *GATHERED)]
    if config.rounds > 1:
        left += ["30_pairs.jsonl", "31_outcomes.json", "32_confounds.json"]
    return Stage(
        "training",
        "gathering the layers",
        1,
        tuple(left),
        lambda config: [config.rounds, len(config.layers or ())],
        lambda context: {
            unit.folder: hash_path(context.run.path / unit.folder / RECORD)
            for unit in units_of(context.config)
        },
        lambda context: gather(context.config, context.run.path),
    )


def round_weights(config: RunConfig, run: Path) -> dict[str, Path]:
    """Model name -> weights: `trained` is the last; with rounds, also each one before."""
    units = units_of(config)
    found = {}
    for number in range(config.rounds - 1):
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


def is_outdated(config: RunConfig, error: Exception) -> bool:
    """Whether the folder holds what an earlier state of this run trained.

    Such as before an archetype was edited. Other hardware is no reason to begin anew, and
    several processes must agree, so there the error stands.
    """
    from ..trainer.processes import launched

    if launched() > 1:
        return False
    return not is_plain(config) or "pairs" in getattr(error, "differs", ())


def set_aside(folder: Path, progress: StageProgress) -> None:
    """Gives an outdated training a name of its own beside its place; nothing is deleted."""
    number = 1
    while (old := folder.with_name(f"{folder.name}.old{number if number > 1 else ''}")).exists():
        number += 1
    folder.rename(old)
    progress.say(f"{folder.name} held an earlier state of this run, kept as {old.name}")
