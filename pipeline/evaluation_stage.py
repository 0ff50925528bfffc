"""The stage that measures the run's models, before and after."""

from __future__ import annotations

from dataclasses import asdict, replace

from ..evaluation.result import Evaluation
from ..files.write import hash_path, write_atomically
from ..llm.cached import CachedModel
from .inputs import (
    declared_modes,
    evaluation_checks,
    evaluation_prompts,
    hash_data,
    hash_labelled,
    hash_prompts,
    probe_pairs,
    system_prompt,
)
from .resolved import Resolved
from .stage import Context, Stage
from .training_stages import round_weights


class EvaluationStage(Stage):
    """Measures base and trained model on our own twins."""

    name = "evaluation"
    title = "evaluating before and after"
    version = 2
    outputs = ("50_evaluation.json",)
    shipped = (
        "archetypes/failure_modes.yaml",
        "evaluation/held_out_text.txt",
        "evaluation/judges/common_stems.txt",
        "evaluation/judges/judge_weights.json",
    )

    def settings(self, resolved: Resolved) -> object:
        """What is measured."""
        return resolved.evaluation.model_dump(mode="json")

    def inputs(self, context: Context) -> dict[str, str]:
        """Weights, prompts, labelled pairs."""
        resolved = context.resolved
        weights = {} if resolved.untrained else round_weights(resolved, context.run.path)
        checks = evaluation_checks(resolved)
        if checks:  # Runs on prompts without checks keep their key.
            written = {name: asdict(check) for name, check in sorted(checks.items())}
            of_checks = {"checks": hash_data([written, sorted(declared_modes(resolved))])}
        else:
            of_checks = {}
        before = {name: hash_path(path) for name, path in weights.items() if name != "trained"}
        return {
            **before,
            "adapter": hash_path(weights["trained"]) if weights else "",
            "system": hash_data(system_prompt(resolved)),
            "model": context.models.identity(resolved.model),
            "prompts": hash_prompts(evaluation_prompts(resolved)),
            "exemplars": hash_labelled(probe_pairs(resolved)),
            **of_checks,
        }

    def execute(self, context: Context) -> str:
        """Asks the models and writes what was measured."""
        write_atomically(context.run.evaluation, measure(context).to_json())
        return "measured"


def measure(context: Context) -> Evaluation:
    """Base and trained model on the run's evaluation prompts, with the probe.

    With rounds, the model after each round before the last is measured, too. An untrained
    run measures the base alone or, with a system prompt, with and without it.
    """
    resolved, system = context.resolved, system_prompt(context.resolved)
    base = context.models.get(resolved.model)
    if not resolved.untrained:
        weights = round_weights(resolved, context.run.path)
        trained = {n: context.models.trained(resolved.model, at) for n, at in weights.items()}
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

    resolved = context.resolved
    return evaluate(
        models,
        evaluation_prompts(resolved),
        baseline=baseline,
        exemplars=probe_pairs(resolved),
        max_tokens=resolved.evaluation.max_tokens,
        system=system,
        checks=evaluation_checks(resolved),
        declared=declared_modes(resolved),
        on_progress=lambda what, done, total: context.progress.step(f"evaluation: {what}"),
    )
