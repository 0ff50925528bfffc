"""The comparison of two evaluations as text."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Group, RenderableType
from rich.text import Text

from ...errors import ConfigurationError
from ...evaluation.result import Evaluation
from ...evaluation.suites.evaluation import ModelOutcomes
from ...inspection.compare import Compared
from .evaluation import evaluation_report
from .suites import comparison_report


def compared_report(before: Compared, after: Compared, targets: tuple[str, ...]) -> RenderableType:
    """The differences between two sides, on the units both have.

    Raises:
        ConfigurationError: One side measured suites and the other a run's own prompts.
    """
    if isinstance(before, ModelOutcomes) and isinstance(after, ModelOutcomes):
        old, new = before.name, after.name
        if old == new:
            before, after = replace(before, name=f"{old} (A)"), replace(after, name=f"{new} (B)")
        return comparison_report(before, after, targets)
    if isinstance(before, Evaluation) and isinstance(after, Evaluation):
        first = replace(before.models[0], name="A")
        second = replace(after.models[0], name="B")
        both = replace(after, models=(first, second), baseline="A")
        parts: list[RenderableType] = [evaluation_report(both)]
        differing = [
            f"{name} {old!r} and {new!r}"
            for name, old, new in (
                ("max_tokens", before.max_tokens, after.max_tokens),
                ("system prompt", before.system, after.system),
                ("splits", before.splits, after.splits),
            )
            if old != new
        ]
        if differing:
            said = f"The two were not asked alike: {'; '.join(differing)}."
            parts.insert(0, Text(f"{said} That may be all that moved.", "red"))
        if before.judge != after.judge:
            parts.append(Text("The two were judged by different judges: measure one again.", "red"))
        return Group(*parts)
    message = "one side measured suites, the other a run's own prompts"
    fix = "measure both alike: anlage evaluate A B --suites ..."
    raise ConfigurationError.one("E011", "compare", message, fix)
