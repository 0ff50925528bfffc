"""Before against after on the same units: the difference, its interval, its p-value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..stats import (
    Difference,
    Estimate,
    Rate,
    holm,
    mean_estimate,
    paired_difference,
    paired_mean_difference,
)
from .measure import Measure
from .model_evaluation import ModelEvaluation

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of two models, on the units both have.

    Attributes:
        measure: What was measured.
        before: The baseline's value (perplexity: exp of the mean nats).
        after: The other model's value.
        difference: After minus before; for perplexity in nats per token, so
            that its exp is the ratio of the two.
        p_holm: p-value adjusted within the measure's family.
    """

    measure: Measure
    before: Estimate
    after: Estimate
    difference: Difference
    p_holm: float

    @property
    def direction(self) -> Literal["rose", "fell", "unclear"]:
        """What may be claimed: both the interval and the adjusted test must agree."""
        if self.p_holm >= ALPHA or self.difference.interval.contains(0.0):
            return "unclear"
        return "rose" if self.difference.value > 0 else "fell"

    @property
    def is_better(self) -> bool | None:
        """Whether it moved in the good direction; None where unclear or neither is good."""
        if self.direction == "unclear" or not self.measure.better:
            return None
        return (self.direction == "rose") == (self.measure.better == "higher")


def changes(before: ModelEvaluation, after: ModelEvaluation) -> tuple[Change, ...]:
    """Every measure the two models share, Holm-adjusted per family.

    Measures with no shared units (means: fewer than 2) are left out, and so is
    perplexity where the tokenizers differ, since it cannot be compared.

    Args:
        before: The baseline.
        after: The model compared with it.
    """
    found = [
        change
        for measure in before.measures()
        if (change := _change(measure, before, after)) is not None
    ]
    adjusted: dict[int, float] = {}
    for family in {change.measure.family for change in found}:
        rows = [index for index, change in enumerate(found) if change.measure.family == family]
        adjusted.update(zip(rows, holm([found[index].difference.p for index in rows]), strict=True))
    return tuple(replace(change, p_holm=adjusted[index]) for index, change in enumerate(found))


def _change(measure: Measure, before: ModelEvaluation, after: ModelEvaluation) -> Change | None:
    first, second = before.units(measure), after.units(measure)
    shared = [unit for unit in first if unit in second]
    if measure.name == "perplexity":
        if not shared or set(first) != set(second):
            return None
        return _perplexity_change(measure, before, after)
    old, new = [first[unit] for unit in shared], [second[unit] for unit in shared]
    if measure.is_rate:
        if not shared:
            return None
        difference = paired_difference([x == 1.0 for x in old], [x == 1.0 for x in new])
        return Change(measure, _rate(old), _rate(new), difference, difference.p)
    if len(shared) < 2:
        return None
    difference = paired_mean_difference(old, new)
    return Change(measure, mean_estimate(old), mean_estimate(new), difference, difference.p)


def _perplexity_change(
    measure: Measure, before: ModelEvaluation, after: ModelEvaluation
) -> Change | None:
    first, second = before.units(measure), after.units(measure)
    old, new = before.estimate(measure), after.estimate(measure)
    if old is None or new is None:
        return None
    difference = paired_mean_difference(list(first.values()), [second[unit] for unit in first])
    return Change(measure, old, new, difference, difference.p)


def _rate(values: list[float]) -> Estimate:
    return Rate(round(sum(values)), len(values)).estimate
