"""The stages of a run: what each reads, which part of the config it obeys, what it leaves."""

from __future__ import annotations

import asyncio

from ..constitution.yaml_form import dump_constitution, load_constitution
from ..files.write import hash_path, write_atomically, write_json
from .config import RunConfig
from .evaluation_stage import evaluation_inputs, measure
from .inputs import calibration_pairs, compile_for, hash_data, hash_labelled
from .pairs_stage import pairs_stage
from .stage import Context, Stage
from .training_stages import training_stages

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


# --- evaluation


def _make_evaluation(context: Context) -> str:
    result = measure(context)
    write_atomically(context.run.evaluation, result.to_json())
    return "measured"


# --- report

_REPORTED = (
    "config.yaml",
    "40_training/forgetting.json",
    "40_training/checks.jsonl",
    "40_training/conditions.jsonl",
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
    from ..report.run.report import write_report

    return str(write_report(context.run.path))


_CONSTITUTION = Stage(
    "constitution",
    "compiling archetypes",
    2,
    ("10_constitution.yaml",),
    lambda config: config.archetypes.model_dump(mode="json"),
    _constitution_inputs,
    _make_constitution,
)
_CALIBRATION = Stage(
    "calibration",
    "measuring the critic",
    1,
    ("20_calibration.json",),
    lambda config: [config.comparator_model, config.pairs.seed, config.calibration.limit],
    _calibration_inputs,
    _make_calibration,
)
_EVALUATION = Stage(
    "evaluation",
    "evaluating before and after",
    2,
    ("50_evaluation.json",),
    lambda config: config.evaluation.model_dump(mode="json"),
    evaluation_inputs,
    _make_evaluation,
)
_REPORT = Stage(
    "report",
    "writing the report",
    1,
    ("60_report.html",),
    lambda config: None,
    _report_inputs,
    _make_report,
)

STAGE_NAMES = ("constitution", "calibration", "pairs", "training", "evaluation", "report")
"""What a run can be stopped after; rounds and layers have stages of their own in between."""


def stages_for(config: RunConfig) -> tuple[Stage, ...]:
    """The stages a run goes through, in order; each reads what the ones before it left.

    Without training, only what measures the model.
    """
    if config.untrained:
        return (_CONSTITUTION, _EVALUATION, _REPORT)
    rounds = tuple(
        stage
        for number in range(config.rounds)
        for stage in (pairs_stage(config, number), *training_stages(config, number))
    )
    return (_CONSTITUTION, _CALIBRATION, *rounds, _EVALUATION, _REPORT)
