"""Tests that a change is smaller than a margin fixed beforehand: two one-sided tests.

A change that is not significant may still be large. These tests assume that the change is as
large as the margin, and reject that only if the data show it to be smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev

from .intervals import Interval, are_equal, mcnemar, mean_estimate, no_spread_p

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Result of testing a paired difference against a margin.

    Attributes:
        value: After minus before.
        margin: The largest change that would not matter, above 0, same units.
        p_not_lower: p-value of "fell by the margin or more"; small: it did not.
        p_not_higher: p-value of "rose by the margin or more"; small: it did not.
        interval: The 90% interval: inside the margins where both tests are
            below 0.05.
        n: Number of pairs.
        method: Of the tests.
    """

    value: float
    margin: float
    p_not_lower: float
    p_not_higher: float
    interval: Interval
    n: int
    method: str

    @property
    def equivalent(self) -> bool:
        """Both one-sided tests reject at 5%: no change as large as the margin."""
        return max(self.p_not_lower, self.p_not_higher) < ALPHA

    @property
    def not_worse(self) -> bool:
        """It did not fall by the margin (where higher is better), at 5% one-sided."""
        return self.p_not_lower < ALPHA


def mean_equivalence(before: Sequence[float], after: Sequence[float], margin: float) -> Equivalence:
    """Two one-sided paired t tests (Schuirmann 1987).

    Where all differences are equal, the p-values are those of sign flips, 1 / 2^n: five
    pairs are the fewest that can show anything.

    Raises:
        ValueError: Lengths differ, fewer than 2 pairs, or a margin not above 0.
    """
    _check(len(before), len(after), margin)
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
    return Equivalence(
        estimate.value, margin, low, high, ends, estimate.n, "two one-sided paired t tests"
    )


def rate_equivalence(before: Sequence[bool], after: Sequence[bool], margin: float) -> Equivalence:
    """Two one-sided score tests of a paired difference of rates (Tango 1998).

    The variance is the maximum-likelihood one under "the difference *is* the
    margin", so that it keeps its level with few or no changed pairs. The 90%
    interval inverts the same test.

    Args:
        before: One outcome a unit.
        after: The same units in the same order.
        margin: In (0, 1); 0.03 is three points.

    Raises:
        ValueError: Lengths differ, fewer than 2 pairs, or a margin outside (0, 1).
    """
    _check(len(before), len(after), margin)
    if margin >= 1.0:
        raise ValueError(f"a margin of rates lies in (0, 1), got {margin}")
    test = mcnemar(before, after)
    n = len(before)
    normal = NormalDist()
    return Equivalence(
        (test.c - test.b) / n,
        margin,
        1 - normal.cdf(tango_z(test.b, test.c, n, -margin)),
        normal.cdf(tango_z(test.b, test.c, n, margin)),
        Interval(_tango_end(test.b, test.c, n, lower=True), _tango_end(test.b, test.c, n)),
        n,
        "two one-sided paired score tests (Tango)",
    )


def tango_z(b: int, c: int, n: int, difference: float) -> float:
    """Tango's score statistic of "after minus before is `difference`", standard normal.

    Args:
        b: Units that turned false.
        c: Units that turned true.
        n: All units.
        difference: In (-1, 1).
    """
    # ML estimate of the share that turns false, given the difference: the larger
    # root of 2n q^2 + linear q + constant = 0.
    linear = (2 * n - c + b) * difference - b - c
    constant = -b * difference * (1 - difference)
    root = math.sqrt(max(0.0, linear * linear - 8 * n * constant))
    q = (root - linear) / (4 * n)
    variance = n * (2 * q + difference * (1 - difference))
    gap = c - b - n * difference
    if variance <= 1e-12:
        return 0.0 if abs(gap) < 1e-12 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def _tango_end(b: int, c: int, n: int, *, lower: bool = False) -> float:
    """End of the 90% interval: where the statistic is +-1.645."""
    z = NormalDist().inv_cdf(1 - ALPHA) * (1 if lower else -1)
    low, high = -1 + 1e-9, 1 - 1e-9
    for _ in range(100):  # the statistic falls as the difference rises
        middle = (low + high) / 2
        low, high = (middle, high) if tango_z(b, c, n, middle) > z else (low, middle)
    return (low + high) / 2


def _check(first: int, second: int, margin: float) -> None:
    if first != second or first < 2:
        raise ValueError(f"needs 2 or more pairs, got {first} and {second} values")
    if not margin > 0:
        raise ValueError(f"a margin must be above 0, got {margin}")
