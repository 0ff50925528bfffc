"""The stages of a run: what each reads, which part of the config it obeys, what it leaves."""

from __future__ import annotations

import asyncio

from ..constitution.yaml_form import dump_constitution, load_constitution
from ..critic.gate import Gate
from .casting import cast_of
from .config import RunConfig
from .files import hash_path, write_atomically, write_json
from .measurement import evaluation_inputs, measure
from .memory import return_memory
from .stage import (
    Context,
    Stage,
    calibration_pairs,
    compile_for,
    hash_data,
    hash_labelled,
    hash_prompts,
    training_prompts,
)

# --- constitution


def _constitution_inputs(context: Context) -> dict[str, str]:
    # The text itself: cheap to make, and it holds the lines that `trace` needs.
    return {"text": hash_data(dump_constitution(compile_for(context.config)))}


def _make_constitution(context: Context) -> str:
    constitution = compile_for(context.config)
    write_atomically(context.run.constitution, dump_constitution(constitution))
    return f"{len(constitution)} principles, hash {constitution.hash[:12]}"


# --- calibration


def _calibration_inputs(context: Context) -> dict[str, str]:
    return {
        "constitution": load_constitution(context.run.constitution).hash,
        "comparator": context.models.identity(context.config.comparator_model),
        "exemplars": hash_labelled(calibration_pairs(context.config)),
    }


def _make_calibration(context: Context) -> str:
    from ..critic.calibrate import calibrate

    constitution = load_constitution(context.run.constitution)
    comparator = context.models.get(context.config.comparator_model)
    result = asyncio.run(
        calibrate(
            comparator,
            calibration_pairs(context.config),
            constitution,
            seed=context.config.pairs.seed,
        )
    )
    write_json(context.run.calibration, result.to_json())
    return result.reason


# --- pairs


def _pairs_inputs(context: Context) -> dict[str, str]:
    config, identity = context.config, context.models.identity
    return {
        "constitution": load_constitution(context.run.constitution).hash,
        "prompts": hash_prompts(training_prompts(context.config)),
        "policy": identity(config.model),
        "critic": identity(config.critic_model),
        "comparator": identity(config.comparator_model),
        "teacher": identity(config.teacher) if config.teacher else "",
        "labels": hash_data(sorted(Gate.load(context.run.calibration).slices)),
    }


def _make_pairs(context: Context) -> str:
    from ..preferences.builder import get_builder
    from ..preferences.confounds import confounds

    config = context.config
    result = asyncio.run(
        get_builder(config.pairs.builder)(
            training_prompts(config),
            load_constitution(context.run.constitution),
            context.models.get(config.model),
            context.models.get(config.critic_model),
            config.pairs,
            cast=cast_of(context),
            on_stage=lambda name, count: context.progress.step(f"pairs: {name}"),
            on_attempts=context.progress.attempts,
        )
    )
    result.pairs.save(context.run.pairs)
    write_json(context.run.outcomes, result.outcomes.to_json())
    write_json(context.run.confounds, confounds(result.pairs))
    kinds = ", ".join(f"{count} {kind}" for kind, count in result.outcomes.by_kind.items())
    return f"{len(result.pairs)} pairs from {len(result.outcomes.attempts)} attempts ({kinds})"


# --- training


def _training_settings(config: RunConfig) -> object:
    settings = config.training.model_dump(mode="json")
    chosen = config.selection
    return settings if chosen.is_all else [settings, chosen.model_dump(mode="json")]


def _training_inputs(context: Context) -> dict[str, str]:
    return {
        "pairs": hash_path(context.run.pairs),
        "model": context.models.identity(context.config.model),
    }


def _make_training(context: Context) -> str:
    from ..preferences.dataset import Pairs
    from ..preferences.selection import select
    from ..trainer.processes import Processes
    from ..trainer.train import train

    Processes().from_main(lambda: True)  # those of a launcher wait for it: `together`
    context.models.release()  # the trainer loads its own copy; do not hold two
    result = train(
        select(Pairs.load(context.run.pairs), context.config.selection),
        model=context.config.model,
        config=context.config.training,
        output=context.run.training,
        store=context.models.store,
        on_progress=context.progress.update,
    )
    return_memory()
    return f"{result.steps} steps in {result.seconds:.0f} s, {result.layout}"


# --- evaluation


def _make_evaluation(context: Context) -> str:
    result = measure(context)
    write_atomically(context.run.evaluation, result.to_json())
    return "measured"


# --- report

_REPORTED = (
    "config.yaml",
    "10_constitution.yaml",
    "20_calibration.json",
    "30_pairs.jsonl",
    "31_outcomes.json",
    "32_confounds.json",
    "50_evaluation.json",
)


def _report_inputs(context: Context) -> dict[str, str]:
    folder = context.run.path
    return {name: hash_path(folder / name) for name in _REPORTED if (folder / name).exists()}


def _make_report(context: Context) -> str:
    from .report import write_report

    return str(write_report(context.run.path))


STAGES: tuple[Stage, ...] = (
    Stage(
        "constitution",
        "compiling archetypes",
        1,
        ("10_constitution.yaml",),
        lambda config: config.archetypes.model_dump(mode="json"),
        _constitution_inputs,
        _make_constitution,
    ),
    Stage(
        "calibration",
        "measuring the critic",
        1,
        ("20_calibration.json",),
        lambda config: [config.comparator_model, config.pairs.seed, config.calibration.limit],
        _calibration_inputs,
        _make_calibration,
    ),
    Stage(
        "pairs",
        "building pairs",
        2,
        ("30_pairs.jsonl", "31_outcomes.json", "32_confounds.json"),
        lambda config: config.pairs.model_dump(mode="json"),
        _pairs_inputs,
        _make_pairs,
    ),
    Stage(
        "training",
        "training",
        1,
        ("40_training/adapter", "40_training/metrics.jsonl", "40_training/reference.json"),
        _training_settings,
        _training_inputs,
        _make_training,
    ),
    Stage(
        "evaluation",
        "evaluating before and after",
        1,
        ("50_evaluation.json",),
        lambda config: config.evaluation.model_dump(mode="json"),
        evaluation_inputs,
        _make_evaluation,
    ),
    Stage(
        "report",
        "writing the report",
        1,
        ("60_report.html",),
        lambda config: None,
        _report_inputs,
        _make_report,
    ),
)
"""All stages in order; each reads what the ones before it left."""

_NEED_TRAINING = frozenset({"calibration", "pairs", "training"})


def stages_for(config: RunConfig) -> tuple[Stage, ...]:
    """The stages a run goes through: without training, only what measures the model."""
    if not config.untrained:
        return STAGES
    return tuple(stage for stage in STAGES if stage.name not in _NEED_TRAINING)
