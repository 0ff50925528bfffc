"""Rates and means of units that come in groups: several answers to one request.

The unit that is drawn is the group (a request), not the answer. A rate gets Wilson's
interval on its *effective* number of answers: between the number of groups, where answers
of one request always agree, and the number of answers, where they do not depend on each
other. It is estimated from the spread between groups, and taken the nearer to the number of
groups the fewer groups hold the rarer outcome: one or two say little of how answers hang
together. Where there is none to estimate it from, at 0 and 100%, the groups count: five
requests answered alike are five observations.
Next to 0 and 1 the nearer end is Poisson's where that is lower (Brown, Cai & DasGupta
2001), since Wilson's covers too little there.

Differences are made of the two rates' intervals (square and add) with the correlation of
the groups; their test flips the signs of whole groups. Needs numpy and scipy, imported
when called.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import fmean, variance

from .intervals import (
    CONFIDENCE,
    Difference,
    Estimate,
    Interval,
    Range,
    mean_estimate,
    paired_mean_difference,
    square_and_add,
    wilson_of_share,
)

RESAMPLES = 4_000
_NEAR_END = 1.5
"""Effective successes up to which the nearer end of a rate's interval may be Poisson's."""


def clustered_rate(groups: Sequence[Sequence[float]]) -> Estimate:
    """Mean over groups of a yes/no outcome, with its 95% interval.

    Every group counts alike, however many units it has.

    Args:
        groups: The outcomes (0 or 1) of each group's units; no group is empty.

    Raises:
        ValueError: Fewer than 2 groups, an empty one, or a value outside [0, 1].
    """
    _check_rates(groups)
    means = [fmean(group) for group in groups]
    value = fmean(means)
    return Estimate(value, _rate_interval(means, _units(groups)), _units(groups))


def clustered_mean(groups: Sequence[Sequence[float]], *, within: Range) -> Estimate:
    """Mean over groups of a measure, with the 95% t interval of the groups' means.

    Args:
        groups: The values of each group's units; no group is empty.
        within: What a value can be.

    Raises:
        ValueError: Fewer than 2 groups, or an empty one.
    """
    _check(groups)
    found = mean_estimate([fmean(group) for group in groups], within=within)
    return Estimate(found.value, found.interval, _units(groups))


def clustered_difference(
    before: Sequence[Sequence[float]],
    after: Sequence[Sequence[float]],
    *,
    within: Range,
    is_rate: bool,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Mean over groups of the paired difference, after minus before.

    The p-value is the share of sign patterns of whole groups (Fisher 1935; one added
    after Phipson & Smyth 2010) whose mean is at least as far from zero: with 5 groups it
    cannot be below 0.06.

    Args:
        before: Values of each group's units.
        after: The same groups and units in the same order.
        within: What one value can be.
        is_rate: True for yes/no outcomes.
        resamples: Sign patterns tried; at least 100.
        seed: Seeds their draw.

    Raises:
        ValueError: The two differ in shape, fewer than 2 groups, fewer resamples, or a
            value that is not finite.
    """
    if [len(group) for group in before] != [len(group) for group in after]:
        raise ValueError("paired groups need the same units on both sides, in the same order")
    if resamples < 100:
        raise ValueError(f"a test by sign flips needs at least 100 resamples, got {resamples}")
    (_check_rates if is_rate else _check)(before)
    (_check_rates if is_rate else _check)(after)
    old, new = [fmean(group) for group in before], [fmean(group) for group in after]
    units = _units(before)
    if is_rate:
        ends = square_and_add(
            (fmean(old), _rate_interval(old, units)),
            (fmean(new), _rate_interval(new, units)),
            _correlation(old, new),
            within,
        )
        method = f"square-and-add of clustered score intervals over {len(old)} groups"
    else:
        ends = paired_mean_difference(old, new, within=within).interval
        method = f"paired t over {len(old)} groups"
    p = sign_flip_p([y - x for x, y in zip(old, new, strict=True)], resamples=resamples, seed=seed)
    return Difference(fmean(new) - fmean(old), ends, units, p, f"{method}; sign-flip test")


def sign_flip_p(
    differences: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> float:
    """Two-sided p-value of "symmetric around zero" by flipping the signs of differences."""
    import numpy as np

    gaps = np.array(differences, dtype=float)
    rng = np.random.default_rng(seed)
    observed = abs(gaps.sum())
    at_least = 1
    for start in range(0, resamples, 1000):  # bounds memory
        size = min(1000, resamples - start)
        signs = rng.integers(0, 2, size=(size, len(gaps))) * 2 - 1
        at_least += int((np.abs(signs @ gaps) >= observed - 1e-12).sum())
    return at_least / (resamples + 1)


def _rate_interval(means: Sequence[float], units: int) -> Interval:
    """Of the mean of the groups' shares, on the effective number of answers."""
    groups, value = len(means), fmean(means)
    error = variance(means) / groups
    trials = math.inf if error == 0.0 else value * (1 - value) / error
    if value in (0.0, 1.0):
        trials = 0.0  # nothing to estimate their dependence from
    trials = min(float(units), max(float(groups), trials))
    rarer = min(sum(mean > 0.0 for mean in means), sum(mean < 1.0 for mean in means))
    trials = groups + (trials - groups) * rarer / (rarer + 1)
    ends = wilson_of_share(value, trials)
    low = _near_end(value, trials, ends.low)
    return Interval(low, 1.0 - _near_end(1.0 - value, trials, 1.0 - ends.high))


def _near_end(share: float, trials: float, end: float) -> float:
    """The lower end: Poisson's exact one where few successes make Wilson's too high."""
    successes = share * trials
    if not 0.0 < successes <= _NEAR_END:
        return end
    from scipy import special

    return min(end, float(special.gammaincinv(successes, 1 - CONFIDENCE)) / trials)


def _correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Pearson's over groups; 0 where a side has no spread.

    A positive one narrows the interval, and few groups often show one by chance: it is
    taken one standard error lower (on Fisher's scale), but not below 0, and as for single
    units n groups show none above 1 - 2 / n.
    """
    a, b = fmean(first), fmean(second)
    squares = sum((x - a) ** 2 for x in first) * sum((y - b) ** 2 for y in second)
    if squares <= 0.0:
        return 0.0
    cross = sum((x - a) * (y - b) for x, y in zip(first, second, strict=True))
    found = max(-1.0, min(1.0, cross / math.sqrt(squares)))
    if found <= 0.0:
        return found
    groups = len(first)
    if groups < 4:
        return 0.0
    found = min(found, 1 - 2 / groups)
    return max(0.0, math.tanh(math.atanh(found) - 1 / math.sqrt(groups - 3)))


def group_by(names: Sequence[Hashable], values: Sequence[float]) -> list[list[float]]:
    """Values by the name of their group, groups in order of appearance."""
    found: dict[Hashable, list[float]] = {}
    for name, value in zip(names, values, strict=True):
        found.setdefault(name, []).append(value)
    return list(found.values())


def _units(groups: Sequence[Sequence[float]]) -> int:
    return sum(len(group) for group in groups)


def _check(groups: Sequence[Sequence[float]]) -> None:
    if len(groups) < 2:
        raise ValueError(f"needs at least 2 groups, got {len(groups)}")
    for group in groups:
        if not group:
            raise ValueError("a group is empty")
        if not all(math.isfinite(value) for value in group):
            raise ValueError(f"values must be finite, got {list(group)}")


def _check_rates(groups: Sequence[Sequence[float]]) -> None:
    _check(groups)
    if any(not 0.0 <= value <= 1.0 for group in groups for value in group):
        raise ValueError("a rate is made of values in [0, 1]")
