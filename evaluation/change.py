"""Before against after on the same units: the difference, its interval, its p-value."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

from ..stats.clusters import clustered_difference, group_by
from ..stats.intervals import Difference, Estimate, holm, paired_difference, paired_mean_difference
from .measure import HARM, Measure
from .suites.evaluation import UNKNOWN, ModelOutcomes
from .suites.outcome import OF_ONE_MEASURE

ALPHA = 0.05

Movement = Literal["rose", "fell", "unclear"]
Verdict = Literal["better", "worse", "unclear"]


def direction_of(difference: Difference, p_adjusted: float) -> Movement:
    """What may be claimed of a difference: its interval and the adjusted test must agree."""
    if not p_adjusted < ALPHA or difference.interval.contains(0.0):
        return "unclear"
    return "rose" if difference.value > 0 else "fell"


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of two models, on the units both have.

    Attributes:
        measure: What was measured.
        before: The baseline's value (perplexity: exp of the mean nats).
        after: The other model's value.
        difference: After minus before, with n, interval and unadjusted p-value; for
            perplexity in nats per token, so that its exp is the ratio of the two.
        p_holm: p-value adjusted within the measure's family.
        aimed: True where the training meant to move it.
    """

    measure: Measure
    before: Estimate
    after: Estimate
    difference: Difference
    p_holm: float
    aimed: bool = False

    @property
    def direction(self) -> Movement:
        """What may be claimed: both the interval and the adjusted test must agree."""
        return direction_of(self.difference, self.p_holm)

    @property
    def verdict(self) -> Verdict:
        """Whether it clearly moved in the good or the bad direction.

        `unclear` also where neither direction is good; `direction` then says what moved.
        """
        if self.direction == "unclear" or not self.measure.better:
            return "unclear"
        rose_is_good = self.measure.better == "higher"
        return "better" if (self.direction == "rose") == rose_is_good else "worse"

    def form(self) -> dict[str, Any]:
        """As it stands in `50_evaluation.json`."""
        return {
            "measure": self.measure.form(),
            "before": asdict(self.before),
            "after": asdict(self.after),
            "difference": asdict(self.difference),
            "p_holm": self.p_holm,
        }


class Measured(Protocol):
    """One model on prompts or suites, unit by unit."""

    def measures(self) -> list[Measure]:
        """What is measured, in table order."""

    def units(self, measure: Measure) -> Mapping[str, float]:
        """Unit id -> value; 0.0 or 1.0 for a rate. Pairs two models up."""

    def requests(self, measure: Measure) -> Mapping[str, str]:
        """Unit id -> id of what was asked; a unit that is not there is one by itself."""

    def asked(self, measure: Measure) -> Hashable:
        """What the measure was taken on; two models are compared only where it is equal."""


def changes(
    before: Measured,
    after: Measured,
    *,
    targets: Collection[str] = (HARM,),
    declared: Collection[str] = (),
) -> tuple[Change, ...]:
    """Every measure that two models share, Holm-adjusted per family.

    Left out: measures with no shared units (means and suites: fewer than 2), suites
    that differ in what was asked or how (`unpaired` names them), and perplexity where the
    tokenizers differ. Where one request stands in several units (attacks of a family),
    the requests are the units of interval and test (`stats.clusters`).

    Args:
        before: The baseline.
        after: The model compared with it.
        targets: Failure modes and suites the training aimed at; what moves elsewhere
            is bleed.
        declared: Failure modes that the run's archetypes declare: changes of checked modes
            are adjusted over these, and over the others apart. () sets none apart.
    """
    found = [
        replace(change, aimed=_is_aimed(measure, targets))
        for measure in before.measures()
        if before.asked(measure) == after.asked(measure)
        and (change := _between(before, after, measure)) is not None
    ]
    adjusted: dict[int, float] = {}
    families = [_tested_with(change.measure, declared) for change in found]
    for family in set(families):
        rows = [index for index, its in enumerate(families) if its == family]
        adjusted.update(zip(rows, holm([found[index].difference.p for index in rows]), strict=True))
    return tuple(replace(change, p_holm=adjusted[index]) for index, change in enumerate(found))


def _tested_with(measure: Measure, declared: Collection[str]) -> tuple[str, bool]:
    """The family of a measure; failure modes that nothing aims at are a family apart."""
    apart = measure.family in ("failure mode", "preference") and bool(declared)
    return measure.family, apart and measure.failure_mode not in declared


def _between(before: Measured, after: Measured, measure: Measure) -> Change | None:
    units = before.units(measure), after.units(measure)
    return compare(measure, *units, requests=before.requests(measure))


def compare(
    measure: Measure,
    before: Mapping[str, float],
    after: Mapping[str, float],
    *,
    requests: Mapping[str, str] | None = None,
) -> Change | None:
    """One measure on the units both have, not adjusted; None with too few of them.

    Args:
        measure: What the values are.
        before: Unit id -> value of the baseline.
        after: The same of the other model.
        requests: Unit id -> id of what was asked; a unit that is not there is one by itself.
    """
    named = requests or {}
    shared = [unit for unit in before if unit in after]
    if len(shared) < (1 if measure.is_rate and not measure.suite else 2):
        return None
    old, new = [before[unit] for unit in shared], [after[unit] for unit in shared]
    first, second = (measure.estimate(dict(zip(shared, x, strict=True)), named) for x in (old, new))
    if first is None or second is None:
        return None
    difference = _difference(measure, old, new, [named.get(unit, unit) for unit in shared])
    return Change(measure, first, second, difference, difference.p)


def _difference(
    measure: Measure, old: Sequence[float], new: Sequence[float], requests: Sequence[str]
) -> Difference:
    groups = group_by(requests, old)
    if 1 < len(groups) < len(old):
        return clustered_difference(
            groups, group_by(requests, new), within=measure.range, is_rate=measure.is_rate
        )
    if measure.is_rate:
        return paired_difference([x == 1.0 for x in old], [x == 1.0 for x in new])
    return paired_mean_difference(old, new, within=measure.range)


def _is_aimed(measure: Measure, targets: Collection[str]) -> bool:
    named = {measure.failure_mode, measure.suite, measure.suite.split("+")[0]}
    return bool(named & set(targets))


def unpaired(before: ModelOutcomes, after: ModelOutcomes) -> list[str]:
    """Suites of either model that cannot be paired, with the reason."""
    reasons = []
    for old in before.suites:
        new = after.suite(old.suite)
        if new is None:
            reasons.append(f"{old.suite}: only measured on {before.name}")
        elif new.sha256 != old.sha256:
            reasons.append(f"{old.suite}: not the same prompts (another file, sample or version)")
        elif new.asked() != old.asked():
            reasons.append(f"{old.suite}: not asked alike: {_differing(old.how, new.how)}")
        else:
            reasons += [
                f"{old.suite}: {measure} is not compared: not the same {name}"
                for name, measure in OF_ONE_MEASURE.items()
                if old.how.get(name) != new.how.get(name)
                and measure in {found.name for found in (*old.measures(), *new.measures())}
            ]
    reasons += [
        f"{new.suite}: only measured on {after.name}"
        for new in after.suites
        if before.suite(new.suite) is None
    ]
    return reasons


def _differing(before: Mapping[str, str | int], after: Mapping[str, str | int]) -> str:
    """What differs in how two suites were asked, in words."""
    if UNKNOWN in before or UNKNOWN in after:
        return (
            "how is not written down in a file of an earlier version; evaluate again, what is "
            "stored is not asked again"
        )
    names = [n for n in dict.fromkeys((*before, *after)) if before.get(n) != after.get(n)]
    return "; ".join(f"{n} {before.get(n, '')!r} and {after.get(n, '')!r}" for n in names)


def bleed(changes: Collection[Change]) -> tuple[Change, ...]:
    """What moved, for better or worse, though the training did not aim at it."""
    return tuple(change for change in changes if not change.aimed and change.direction != "unclear")
