"""Compares arms of a study by their runs: seeds paired, prompts as a sample, Holm in families."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from ..evaluation.change import ALPHA, Movement, direction_of
from ..stats.intervals import Difference, holm, paired_mean_difference
from ..stats.seeds import Equivalence, crossed_difference, mean_equivalence
from .results import Results, shared_units
from .spec import StudyMeasure

Verdict = Literal["higher", "lower", "unclear", "not tested", "not measured"]
_VERDICTS: Final[Mapping[Movement, Verdict]] = {
    "rose": "higher",
    "fell": "lower",
    "unclear": "unclear",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm against the reference arm on one outcome.

    Attributes:
        arm: The arm.
        against: The reference arm.
        outcome: What is compared.
        declared: Whether it is one of the comparisons declared beforehand.
        seeds: Seeds at which both have a finished run.
        gaps: Arm minus reference, per seed.
        fixed: t interval over seeds, the prompts taken as fixed; None under two seeds.
        crossed: The same for new seeds and new prompts; None where it cannot be had.
        p_holm: p-value of `best`, adjusted over the declared comparisons; NaN where
            there is none or the comparison was not declared.
    """

    arm: str
    against: str
    outcome: StudyMeasure
    declared: bool
    seeds: tuple[int, ...]
    gaps: tuple[float, ...]
    fixed: Difference | None
    crossed: Difference | None
    p_holm: float = math.nan

    @property
    def best(self) -> Difference | None:
        """The interval that claims rest on: over seeds and prompts where it can be had."""
        return self.crossed or self.fixed

    @property
    def verdict(self) -> Verdict:
        """What may be said: interval and adjusted test must agree, and it was declared."""
        best = self.best
        if best is None:
            return "not measured"
        if not self.declared:
            return "not tested"
        return _VERDICTS[direction_of(best, self.p_holm)]


def compare(results: Results, outcome: StudyMeasure) -> list[Comparison]:
    """Every arm against the reference on one outcome, Holm over those declared.

    Only seeds at which both runs are finished count. An arm that was not trained has
    one run that stands for every seed: the spread is then the reference's alone.
    """
    spec = results.design.spec
    others = [arm.name for arm in results.design.arms if arm.name != spec.against]
    found = [_comparison(results, outcome, arm) for arm in others]
    tested = [i for i, c in enumerate(found) if c.declared and c.best is not None]
    adjusted = holm([best.p for i in tested if (best := found[i].best) is not None])
    for index, p in zip(tested, adjusted, strict=True):
        found[index] = replace(found[index], p_holm=p)
    return found


def _comparison(results: Results, outcome: StudyMeasure, arm: str) -> Comparison:
    spec = results.design.spec
    ours, theirs = results.units(outcome, arm), results.units(outcome, spec.against)
    seeds = tuple(seed for seed in spec.seeds if seed in ours and seed in theirs)
    units = shared_units([ours[s] for s in seeds] + [theirs[s] for s in seeds])
    declared = spec.comparisons is None or arm in spec.comparisons
    if not units:
        return Comparison(arm, spec.against, outcome, declared, (), (), None, None)
    after = [[ours[seed][unit] for unit in units] for seed in seeds]
    before = [[theirs[seed][unit] for unit in units] for seed in seeds]
    means = [(_mean(old), _mean(new)) for old, new in zip(before, after, strict=True)]
    gaps = tuple(new - old for old, new in means)
    fixed, crossed, within = None, None, outcome.what.range
    if len(seeds) >= 2:
        fixed = paired_mean_difference(*zip(*means, strict=True), within=within)
        if len(units) >= 2:
            crossed = crossed_difference(before, after, within=within)
    return Comparison(arm, spec.against, outcome, declared, seeds, gaps, fixed, crossed)


@dataclass(frozen=True, slots=True)
class HarmCheck:
    """Whether an arm kept a measure that must not get worse.

    Attributes:
        arm: The arm.
        outcome: What must not get worse.
        margin: Largest loss that would not matter.
        test: Two one-sided tests over paired seeds; None under two seeds.
    """

    arm: str
    outcome: StudyMeasure
    margin: float
    test: Equivalence | None

    @property
    def kept(self) -> bool | None:
        """True: shown to be no worse than the margin. False: not shown. None: not tested."""
        if self.test is None:
            return None
        is_higher_good = self.outcome.what.better == "higher"
        p = self.test.p_not_lower if is_higher_good else self.test.p_not_higher
        return p < ALPHA


def check_harm(results: Results) -> list[HarmCheck]:
    """Every arm against the reference on each `no_harm` measure.

    The prompts are taken as fixed, and nothing is adjusted: a check that fails to show
    "no worse" is no proof of harm.
    """
    spec = results.design.spec
    checks = []
    for rule in spec.no_harm:
        reference = results.means(rule.outcome, spec.against)
        for arm in results.design.arms:
            if arm.name == spec.against:
                continue
            ours = results.means(rule.outcome, arm.name)
            seeds = [s for s in spec.seeds if s in ours and s in reference]
            test = None
            if len(seeds) >= 2:
                before, after = [reference[s] for s in seeds], [ours[s] for s in seeds]
                test = mean_equivalence(before, after, rule.margin)
            checks.append(HarmCheck(arm.name, rule.outcome, rule.margin, test))
    return checks


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
