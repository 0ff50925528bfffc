"""The stage that builds the pairs of a round, after the first with the current model."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from ..constitution.yaml_form import load_constitution
from ..critic.calibrate import Gate
from ..files.write import hash_path, write_json
from ..preferences.builders.roles import Cast
from .config import RunConfig
from .inputs import hash_data, hash_prompts, training_prompts
from .resolved import conditions_of, critic_of, pair_settings
from .stage import Context, Stage
from .training_stages import round_weights
from .unit import round_folder


def pairs_stage(config: RunConfig, number: int) -> Stage:
    """The stage that builds the pairs of one 0-based round."""
    here = round_folder(config, number)
    names = ("30_pairs.jsonl", "31_outcomes.json", "32_confounds.json")
    return Stage(
        f"pairs/round-{number + 1}" if here else "pairs",
        f"building pairs, round {number + 1}" if here else "building pairs",
        4,
        tuple(here + name for name in names),
        lambda config: _pairs_settings(config, number),
        lambda context: _pairs_inputs(context, number),
        lambda context: _make_pairs(context, number),
    )


def _pairs_settings(config: RunConfig, number: int) -> object:
    settings = pair_settings(config, number).model_dump(mode="json")
    refresh = conditions_of(config).data.refresh
    return settings if not number or refresh else [settings, "round 1 again"]


def _pairs_inputs(context: Context, number: int) -> dict[str, str]:
    config, identity = context.config, context.models.identity
    inputs = {
        "constitution": load_constitution(context.run.constitution).hash,
        "prompts": hash_prompts(training_prompts(config)),
        "policy": identity(config.model),
        "critic": identity(critic_of(config)),
        "comparator": identity(config.comparator_model),
        "teacher": identity(config.teacher) if config.teacher else "",
        "labels": hash_data(sorted(Gate.load(context.run.calibration).slices)),
    }
    if number:
        inputs["current"] = hash_path(_current(context, number))
    return inputs


def _current(context: Context, number: int) -> Path:
    """The weights a round drafts with: those of the round before."""
    return round_weights(context.config, context.run.path)[f"round-{number}"]


def _make_pairs(context: Context, number: int) -> str:
    from ..preferences.builders.registry import get_builder
    from ..preferences.confounds import confounds

    config, here = context.config, context.run.path / round_folder(context.config, number)
    names = ("30_pairs.jsonl", "31_outcomes.json", "32_confounds.json")
    here.mkdir(parents=True, exist_ok=True)
    if number and not conditions_of(config).data.refresh:
        for name in names:
            shutil.copy(context.run.path / round_folder(config, 0) / name, here / name)
        return "the pairs of round 1 again"
    policy = context.models.get(config.model)
    if number:
        policy = context.models.trained(config.model, _current(context, number))
    critic = policy if critic_of(config) == config.model else context.models.get(critic_of(config))
    result = asyncio.run(
        get_builder(config.pairs.builder)(
            training_prompts(config),
            load_constitution(context.run.constitution),
            policy,
            critic,
            pair_settings(config, number),
            cast=cast_of(context),
            on_stage=lambda name, count: context.progress.step(f"pairs: {name}"),
            on_attempts=context.progress.attempts,
        )
    )
    result.pairs.save(here / names[0])
    write_json(here / names[1], result.outcomes.to_json())
    write_json(here / names[2], confounds(result.pairs))
    kinds = ", ".join(f"{count} {kind}" for kind, count in result.outcomes.by_kind.items())
    return f"{len(result.pairs)} pairs from {len(result.outcomes.attempts)} attempts ({kinds})"


def cast_of(context: Context) -> Cast:
    """Comparator and teacher of a run, and where its calibration lets comparisons label."""
    config, models = context.config, context.models
    own = config.comparator_model != config.critic_model
    return Cast(
        comparator=models.get(config.comparator_model) if own else None,
        teacher=models.get(config.teacher) if config.teacher else None,
        allows=Gate.load(context.run.calibration).allows,
    )
