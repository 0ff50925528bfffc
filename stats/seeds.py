"""Differences between arms of a study; the unit is the trained run, one per seed.

A change that is not significant may still be large. That it is smaller than a margin fixed
beforehand is shown by two one-sided tests: they assume that the change is as large as the
margin, and reject that only if the data show it to be smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from .intervals import (
    ANY,
    CONFIDENCE,
    Difference,
    Interval,
    Range,
    are_equal,
    mean_estimate,
    no_spread_p,
    paired_difference,
    score_difference,
)


def crossed_difference(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], *, within: Range = ANY
) -> Difference:
    """Mean difference of two arms that holds for new seeds *and* new prompts.

    That of their seeds alone (`paired_mean_difference`) takes the prompts as fixed: it says
    what another seed would give on the *same* prompts.

    Every seed answers the same prompts, so both are random and crossed. The
    variance of the mean is (MS_seeds + MS_prompts - MS_rest) / (seeds x
    prompts), its degrees of freedom by Satterthwaite (1946), as in the two-way
    random-effects model (Clark 1973 on prompts as a random sample).

    Three bounds keep what chance does to a difference of mean squares out of it. The
    degrees of freedom are at least seeds - 1 (with fewer than those of its least known
    part, Satterthwaite's go to 0 and the interval to infinity). The interval is never
    narrower than that over seeds alone. Yes/no outcomes (all values at an end of
    `within`) get at least the width they would have if no answer depended on another,
    and where nothing varies at all, that of one answer a prompt.

    Args:
        before: (seeds, prompts): each run's value on each prompt.
        after: The other arm: same seeds, same prompts, same order.
        within: What one value can be; the difference is clipped to what follows from it.

    Raises:
        ValueError: Shapes differ, or fewer than 2 seeds or prompts.
    """
    gaps = _gaps(before, after)
    squares = _mean_squares(gaps)
    if squares.total <= 0.0:
        return _without_spread(before, after, squares.mean, within)
    found = _with_spread(squares, within)
    floor = _independent(before, after, within)
    if floor is None:
        return found
    ends = Interval(
        min(found.interval.low, floor.interval.low), max(found.interval.high, floor.interval.high)
    )
    return Difference(found.value, ends, found.n, max(found.p, floor.p), found.method)


@dataclass(frozen=True, slots=True)
class _Squares:
    """Mean squares of a table of seeds x prompts."""

    mean: float
    seeds: float
    prompts: float
    rest: float
    n_seeds: int
    n_prompts: int

    @property
    def total(self) -> float:
        """The variance of the mean times seeds and prompts, never below that of seeds alone.

        Seeds whose means happen to be the same number (shares often are) say nothing of
        their variance; what is left over then stands for it, as it does on average.
        """
        found = max(self.seeds, self.seeds + self.prompts - self.rest)
        return found if found > 1e-9 * self.rest else self.rest

    @property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom, at least those of the seeds."""
        least = self.n_seeds - 1.0
        if self.prompts <= self.rest:
            return least
        parts = (
            self.seeds**2 / least
            + self.prompts**2 / (self.n_prompts - 1)
            + self.rest**2 / (least * (self.n_prompts - 1))
        )
        return max(least, self.total**2 / parts)


def _mean_squares(gaps: Sequence[Sequence[float]]) -> _Squares:
    seeds, prompts = len(gaps), len(gaps[0])
    values = [value for row in gaps for value in row]
    if are_equal(values):
        return _Squares(values[0], 0.0, 0.0, 0.0, seeds, prompts)
    mean = fmean(values)
    rows = [fmean(row) for row in gaps]
    columns = [fmean(column) for column in zip(*gaps, strict=True)]
    rest = sum(
        (gaps[i][j] - rows[i] - columns[j] + mean) ** 2
        for i in range(seeds)
        for j in range(prompts)
    )
    return _Squares(
        mean,
        prompts * sum((row - mean) ** 2 for row in rows) / (seeds - 1),
        seeds * sum((column - mean) ** 2 for column in columns) / (prompts - 1),
        rest / ((seeds - 1) * (prompts - 1)),
        seeds,
        prompts,
    )


def _with_spread(squares: _Squares, within: Range) -> Difference:
    """The wider of the crossed interval and that over seeds alone."""
    from scipy import stats

    units = squares.n_seeds * squares.n_prompts
    half, p = 0.0, 0.0
    for variance, df in ((squares.total, squares.df), (squares.seeds, squares.n_seeds - 1.0)):
        error = math.sqrt(variance / units)
        if error > 0.0:
            half = max(half, float(stats.t.ppf(0.5 + CONFIDENCE / 2, df)) * error)
            p = max(p, float(2 * stats.t.sf(abs(squares.mean) / error, df)))
    ends = within.of_difference.clip(Interval(squares.mean - half, squares.mean + half))
    method = (
        f"crossed seeds and prompts, t with {squares.df:.1f} degrees of freedom "
        "(Satterthwaite, at least seeds - 1)"
    )
    return Difference(squares.mean, ends, squares.n_seeds, p, method)


def _without_spread(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], mean: float, within: Range
) -> Difference:
    """Where no difference departs from the mean: the seeds then count as one."""
    prompts, method = len(before[0]), "no spread between seeds and prompts; one answer a prompt"
    if not within.is_bounded:
        p = 1.0 if mean == 0.0 else no_spread_p(prompts)
        return Difference(mean, Interval(mean, mean), len(before), p, method)
    old, new = (fmean(fmean(row) for row in side) for side in (before, after))
    ends = score_difference(old, new, prompts, within)
    p = 1.0 if mean == 0.0 else no_spread_p(prompts)
    return Difference(mean, ends, len(before), p, method)


def _independent(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], within: Range
) -> Difference | None:
    """Of yes/no outcomes, as if every answer were drawn by itself; None for others."""
    old = [value for row in before for value in row]
    new = [value for row in after for value in row]
    if not within.is_bounded or not set(old) | set(new) <= {within.low, within.high}:
        return None
    width = within.high - within.low
    found = paired_difference([v == within.high for v in old], [v == within.high for v in new])
    ends = Interval(width * found.interval.low, width * found.interval.high)
    return Difference(width * found.value, ends, found.n, found.p, found.method)


def _gaps(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> list[list[float]]:
    shapes = [[len(row) for row in side] for side in (before, after)]
    if shapes[0] != shapes[1] or len(shapes[0]) < 2 or len(set(shapes[0])) != 1 or shapes[0][0] < 2:
        raise ValueError(
            "needs the same 2 or more seeds and prompts on both sides, got rows of "
            f"{shapes[0]} and {shapes[1]} values"
        )
    return [
        [y - x for x, y in zip(old, new, strict=True)]
        for old, new in zip(before, after, strict=True)
    ]


ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Result of testing a paired difference against a margin.

    Attributes:
        value: After minus before.
        p_not_lower: p-value of "fell by the margin or more"; small: it did not.
        p_not_higher: p-value of "rose by the margin or more"; small: it did not.
        interval: The 90% interval: inside the margins where both tests are
            below 0.05.
    """

    value: float
    p_not_lower: float
    p_not_higher: float
    interval: Interval


def mean_equivalence(before: Sequence[float], after: Sequence[float], margin: float) -> Equivalence:
    """Two one-sided paired t tests (Schuirmann 1987).

    Where all differences are equal, the p-values are those of sign flips, 1 / 2^n: five
    pairs are the fewest that can show anything.

    Raises:
        ValueError: Lengths differ, fewer than 2 pairs, or a margin not above 0.
    """
    if len(before) != len(after) or len(before) < 2:
        raise ValueError(f"needs 2 or more pairs, got {len(before)} and {len(after)} values")
    if not margin > 0:
        raise ValueError(f"a margin must be above 0, got {margin}")
    differences = [y - x for x, y in zip(before, after, strict=True)]
    estimate = mean_estimate(differences)
    error = stdev(differences) / math.sqrt(estimate.n)
    if are_equal(differences):
        # Equal differences are no proof: no smaller p-value exists by sign flips.
        least = no_spread_p(estimate.n) / 2
        low, high = (
            1.0 if lost else least for lost in (estimate.value <= -margin, estimate.value >= margin)
        )
        ends = Interval(estimate.value, estimate.value)
    else:
        from scipy import stats

        df = estimate.n - 1
        low = float(stats.t.sf((estimate.value + margin) / error, df))
        high = float(stats.t.cdf((estimate.value - margin) / error, df))
        half = float(stats.t.ppf(1 - ALPHA, df)) * error
        ends = Interval(estimate.value - half, estimate.value + half)
    return Equivalence(estimate.value, low, high, ends)
