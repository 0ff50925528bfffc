"""Before against after on the same units: the difference, its interval, its p-value."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Literal

from ..stats.clusters import clustered_difference, clustered_mean, clustered_rate, group_by
from ..stats.intervals import (
    Difference,
    Estimate,
    Rate,
    holm,
    mean_estimate,
    paired_difference,
    paired_mean_difference,
)
from .measure import HARM, Measure, SuiteMeasure
from .model_evaluation import ModelEvaluation
from .suites.evaluation import ModelOutcomes
from .suites.outcome import SuiteOutcome

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
    within = measure.range
    difference = paired_mean_difference(old, new, within=within)
    first_mean, second_mean = mean_estimate(old, within=within), mean_estimate(new, within=within)
    return Change(measure, first_mean, second_mean, difference, difference.p)


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


PRIMARY: Final = frozenset({"defended", "over_refusal", "accuracy", "matching", "quality"})
"""Measures a claim may rest on; p-values are Holm-adjusted over all of them, and over
all others apart."""


@dataclass(frozen=True, slots=True)
class SuiteChange:
    """One measure of one suite, before and after, on the units both have.

    Attributes:
        measure: What was measured.
        before: The baseline's value.
        after: The other model's.
        difference: After minus before; interval and p-value not adjusted.
        p_holm: p-value adjusted over all primary, or over all other measures.
        aimed: True where the training meant to move it.
    """

    measure: SuiteMeasure
    before: Estimate
    after: Estimate
    difference: Difference
    p_holm: float
    aimed: bool

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


def suite_changes(
    before: ModelOutcomes, after: ModelOutcomes, *, targets: Collection[str] = (HARM,)
) -> tuple[SuiteChange, ...]:
    """Every measure of every suite both models were asked in the same form.

    Suites that differ in what was asked (another sample, another file) are left
    out: `unpaired` names them. Where one request stands in several units (attacks
    of a family), the requests are the units of interval and test (`stats.clusters`).

    Args:
        before: The baseline.
        after: The model compared with it.
        targets: Failure modes and suites the training aimed at; what moves
            elsewhere is bleed.
    """
    found: list[SuiteChange] = []
    for old in before.suites:
        new = after.suite(old.suite)
        if new is None or new.sha256 != old.sha256:
            continue
        for measure in old.measures():
            change = _suite_change(measure, old, new, targets)
            if change is not None:
                found.append(change)
    adjusted: dict[int, float] = {}
    for primary in (True, False):
        rows = [k for k, c in enumerate(found) if (c.measure.name in PRIMARY) == primary]
        adjusted.update(zip(rows, holm([found[k].difference.p for k in rows]), strict=True))
    return tuple(replace(change, p_holm=adjusted[k]) for k, change in enumerate(found))


def unpaired(before: ModelOutcomes, after: ModelOutcomes) -> list[str]:
    """Suites of either model that cannot be paired, with the reason."""
    reasons = []
    for old in before.suites:
        new = after.suite(old.suite)
        if new is None:
            reasons.append(f"{old.suite}: only measured on {before.name}")
        elif new.sha256 != old.sha256:
            reasons.append(f"{old.suite}: not the same prompts (another file, sample or version)")
    reasons += [
        f"{new.suite}: only measured on {after.name}"
        for new in after.suites
        if before.suite(new.suite) is None
    ]
    return reasons


def bleed(changes: Collection[SuiteChange]) -> tuple[SuiteChange, ...]:
    """What moved, for better or worse, though the training did not aim at it."""
    return tuple(change for change in changes if not change.aimed and change.direction != "unclear")


def estimate_of(outcome: SuiteOutcome, measure: SuiteMeasure) -> Estimate | None:
    """A measure of one model with its 95% interval, or None with too few units.

    Rates: Wilson. Means: t. Where one request stands in several units, the mean
    over requests and an interval that takes requests as drawn (`stats.clusters`).
    """
    units = outcome.units(measure)
    requests = outcome.requests()
    return _estimate(list(units.values()), [requests[unit] for unit in units], measure)


def _estimate(values: list[float], requests: list[str], measure: SuiteMeasure) -> Estimate | None:
    if not values:
        return None
    groups = group_by(requests, values)
    if len(groups) < len(values):
        if len(groups) < 2:
            return None
        if measure.is_rate:
            return clustered_rate(groups)
        return clustered_mean(groups, within=measure.range)
    if measure.is_rate:
        return Rate(round(sum(values)), len(values)).estimate
    return mean_estimate(values, within=measure.range) if len(values) > 1 else None


def _suite_change(
    measure: SuiteMeasure, old: SuiteOutcome, new: SuiteOutcome, targets: Collection[str]
) -> SuiteChange | None:
    first, second = old.units(measure), new.units(measure)
    shared = [unit for unit in first if unit in second]
    if len(shared) < 2:
        return None
    before, after = [first[unit] for unit in shared], [second[unit] for unit in shared]
    named = old.requests()
    requests = [named[unit] for unit in shared]
    groups = group_by(requests, before)
    if len(groups) < len(shared):
        if len(groups) < 2:
            return None
        difference = clustered_difference(
            groups, group_by(requests, after), within=measure.range, is_rate=measure.is_rate
        )
    elif measure.is_rate:
        difference = paired_difference([x == 1.0 for x in before], [x == 1.0 for x in after])
    else:
        difference = paired_mean_difference(before, after, within=measure.range)
    estimates = [_estimate(values, requests, measure) for values in (before, after)]
    if estimates[0] is None or estimates[1] is None:
        return None
    aimed = bool({measure.failure_mode, measure.suite, measure.suite.split("+")[0]} & set(targets))
    return SuiteChange(measure, estimates[0], estimates[1], difference, difference.p, aimed)
