"""What the evaluation stage reads and how it measures the run's models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..evaluation.result import Evaluation
from ..files.write import hash_path
from ..llm.cached import CachedModel
from .inputs import (
    evaluation_prompts,
    hash_data,
    hash_labelled,
    hash_prompts,
    probe_pairs,
    system_prompt,
)
from .stage import Context
from .training_stages import round_weights


def evaluation_inputs(context: Context) -> dict[str, str]:
    """Name -> hash of everything the measurement depends on."""
    folder = Path(__file__).parents[1] / "evaluation"
    weights = {} if context.config.untrained else round_weights(context.config, context.run.path)
    before = {name: hash_path(path) for name, path in weights.items() if name != "trained"}
    return {
        **before,
        "adapter": hash_path(weights["trained"]) if weights else "",
        "system": hash_data(system_prompt(context.config)),
        "model": context.models.identity(context.config.model),
        "prompts": hash_prompts(evaluation_prompts(context.config)),
        "exemplars": hash_labelled(probe_pairs(context.config)),
        "judge": hash_path(folder / "judges" / "judge_weights.json"),
        "text": hash_path(folder / "held_out_text.txt"),
    }


def measure(context: Context) -> Evaluation:
    """Base and trained model on the config's evaluation prompts, with the probe.

    With rounds, the model after each round before the last is measured, too. An untrained
    run measures the base alone or, with a system prompt, with and without it.
    """
    config, system = context.config, system_prompt(context.config)
    base = context.models.get(config.model)
    if not config.untrained:
        weights = round_weights(config, context.run.path)
        trained = {name: context.models.trained(config.model, at) for name, at in weights.items()}
        return _measured(context, {"base": base, **trained}, "base", system)
    plain = _measured(context, {"base": base}, None, "")
    if not system:
        return plain
    prompted = _measured(context, {"system prompt": base}, None, system)
    return replace(prompted, models=(*plain.models, *prompted.models), baseline="base")


def _measured(
    context: Context, models: dict[str, CachedModel], baseline: str | None, system: str
) -> Evaluation:
    from ..evaluation.evaluate import evaluate

    config = context.config
    return evaluate(
        models,
        evaluation_prompts(config),
        baseline=baseline,
        exemplars=probe_pairs(config),
        max_tokens=config.evaluation.max_tokens,
        system=system,
        on_progress=lambda what, done, total: context.progress.step(f"evaluation: {what}"),
    )
