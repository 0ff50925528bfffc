"""The stages of a run: what each reads, which part of the config it obeys, what it leaves."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..archetypes.loader import LIBRARY, load_archetypes
from ..archetypes.schema import Exemplar
from ..constitution.compiler import compile_constitution
from ..constitution.principle import Constitution
from ..constitution.yaml_form import dump_constitution, load_constitution
from ..evaluation.result import Evaluation
from ..prompts.loader import load_prompts
from ..prompts.prompt import Prompt, Split
from .config import RunConfig
from .files import hash_path, write_atomically, write_json
from .models import RunModels
from .progress import StageProgress
from .run_directory import RunDirectory


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage works with."""

    config: RunConfig
    run: RunDirectory
    models: RunModels
    progress: StageProgress


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Attributes:
        name: Its name on the command line.
        title: What the progress bar says.
        version: Raised when the code changes what the stage makes.
        outputs: What it leaves, relative to the run directory.
        settings: The part of the config it obeys, as plain data.
        inputs: Name -> hash of everything it reads.
        execute: Does the work; returns one line to print.
    """

    name: str
    title: str
    version: int
    outputs: tuple[str, ...]
    settings: Callable[[RunConfig], object]
    inputs: Callable[[Context], dict[str, str]]
    execute: Callable[[Context], str]


def archetype_path(config: RunConfig) -> Path:
    """The folder or file the archetypes are read from."""
    return Path(config.archetypes.path) if config.archetypes.path else LIBRARY


def _exemplars(config: RunConfig) -> list[Exemplar]:
    archetypes = load_archetypes(archetype_path(config), only=config.archetypes.only)
    return [exemplar for archetype in archetypes for exemplar in archetype.exemplars]


def _prompts(
    config: RunConfig, split: Split, sets: Sequence[str] | None, limit: int | None
) -> list[Prompt]:
    folder = Path(config.prompts.folder) if config.prompts.folder else None
    return load_prompts(split, sets=sets, folder=folder, limit=limit)


def training_prompts(config: RunConfig) -> list[Prompt]:
    """The prompts pairs are made from."""
    return _prompts(config, "train", config.prompts.sets, config.prompts.limit)


def evaluation_prompts(config: RunConfig) -> list[Prompt]:
    """The prompts measured before and after."""
    chosen = config.evaluation
    return _prompts(config, chosen.split, chosen.sets, chosen.limit)


def _hash(data: object) -> str:
    payload = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(payload.encode()).hexdigest()


def _hash_prompts(prompts: Sequence[Prompt]) -> str:
    return _hash([asdict(prompt) for prompt in prompts])


def _hash_exemplars(context: Context) -> str:
    return _hash([exemplar.model_dump() for exemplar in _exemplars(context.config)])


def _compile(config: RunConfig) -> Constitution:
    return compile_constitution(archetype_path(config), only=config.archetypes.only)


# --- constitution


def _constitution_inputs(context: Context) -> dict[str, str]:
    # The text itself: cheap to make, and it holds the lines that `trace` needs.
    return {"text": _hash(dump_constitution(_compile(context.config)))}


def _make_constitution(context: Context) -> str:
    constitution = _compile(context.config)
    write_atomically(context.run.constitution, dump_constitution(constitution))
    return f"{len(constitution)} principles, hash {constitution.hash[:12]}"


# --- calibration


def _calibration_inputs(context: Context) -> dict[str, str]:
    return {
        "constitution": load_constitution(context.run.constitution).hash,
        "critic": context.models.identity(context.config.critic_model),
        "exemplars": _hash_exemplars(context),
    }


def _make_calibration(context: Context) -> str:
    from ..critic.calibrate import calibrate

    constitution = load_constitution(context.run.constitution)
    critic = context.models.get(context.config.critic_model)
    result = asyncio.run(
        calibrate(critic, _exemplars(context.config), constitution, seed=context.config.pairs.seed)
    )
    write_json(context.run.calibration, result.to_json())
    return result.reason


# --- pairs


def _pairs_inputs(context: Context) -> dict[str, str]:
    return {
        "constitution": load_constitution(context.run.constitution).hash,
        "prompts": _hash_prompts(training_prompts(context.config)),
        "policy": context.models.identity(context.config.model),
        "critic": context.models.identity(context.config.critic_model),
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
            on_stage=lambda name, count: context.progress.step(f"pairs: {name}"),
        )
    )
    result.pairs.save(context.run.pairs)
    write_json(context.run.outcomes, result.outcomes.to_json())
    write_json(context.run.confounds, confounds(result.pairs))
    kinds = ", ".join(f"{count} {kind}" for kind, count in result.outcomes.by_kind.items())
    return f"{len(result.pairs)} pairs from {len(result.outcomes.attempts)} attempts ({kinds})"


# --- training


def _training_inputs(context: Context) -> dict[str, str]:
    return {
        "pairs": hash_path(context.run.pairs),
        "model": context.models.identity(context.config.model),
    }


def _make_training(context: Context) -> str:
    from ..preferences.dataset import Pairs
    from ..trainer.train import train

    context.models.release()  # the trainer loads its own copy; do not hold two
    result = train(
        Pairs.load(context.run.pairs),
        model=context.config.model,
        config=context.config.training,
        output=context.run.training,
        on_progress=context.progress.update,
    )
    return f"{result.steps} steps in {result.seconds:.0f} s"


# --- evaluation


def _evaluation_inputs(context: Context) -> dict[str, str]:
    folder = Path(__file__).parents[1] / "evaluation"
    return {
        "adapter": hash_path(context.run.training / "adapter"),
        "model": context.models.identity(context.config.model),
        "prompts": _hash_prompts(evaluation_prompts(context.config)),
        "exemplars": _hash_exemplars(context),
        "judge": hash_path(folder / "judge_weights.json"),
        "text": hash_path(folder / "held_out_text.txt"),
    }


def measure(context: Context) -> Evaluation:
    """Base and trained model on the config's evaluation prompts, with the archetypes' probe."""
    from ..evaluation.evaluate import evaluate

    config = context.config
    adapter = context.run.training / "adapter"
    return evaluate(
        {
            "base": context.models.get(config.model),
            "trained": context.models.get(config.model, adapter),
        },
        evaluation_prompts(config),
        baseline="base",
        exemplars=_exemplars(config),
        max_tokens=config.evaluation.max_tokens,
        on_progress=lambda what, done, total: context.progress.step(f"evaluation: {what}"),
    )


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
        lambda config: [config.critic_model, config.pairs.seed],
        _calibration_inputs,
        _make_calibration,
    ),
    Stage(
        "pairs",
        "building pairs",
        1,
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
        lambda config: config.training.model_dump(mode="json"),
        _training_inputs,
        _make_training,
    ),
    Stage(
        "evaluation",
        "evaluating before and after",
        1,
        ("50_evaluation.json",),
        lambda config: config.evaluation.model_dump(mode="json"),
        _evaluation_inputs,
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
