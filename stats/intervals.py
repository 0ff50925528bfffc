"""Intervals and tests for rates and means: small, exact where that is cheap, all two-sided.

Importing this module loads the standard library only; scipy is imported by the
functions that need Student's t.

`stats.clusters` has clustered data (several answers per prompt), `stats.seeds`
differences over trained runs, `stats.equivalence` tests of "nothing was lost",
`stats.power` what n can show.
`benchmarks/intervals.py` shows by simulation that they keep their promises.

Two rules hold for every interval here and in those modules. It never leaves the range
that its measure can have (`Range`, the only place that clips). And equal values are no
proof: where nothing varies, a bounded measure gets the interval that as many yes/no
outcomes would get, and the p-value is that of sign flips, 2 / 2^n, never 0.

Not covered: more than two models in one test, the judge's own errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

CONFIDENCE = 0.95  # coverage of every interval unless a call says otherwise


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval, in the units of the value it belongs to."""

    low: float
    high: float

    def contains(self, value: float) -> bool:
        """True inside and at the ends."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Range:
    """All values that a measure can have, ends included; infinite where it has no end."""

    low: float = -math.inf
    high: float = math.inf

    @property
    def is_bounded(self) -> bool:
        """True where both ends are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def of_difference(self) -> Range:
        """What a difference of two such values can be."""
        return Range(self.low - self.high, self.high - self.low)

    def clip(self, interval: Interval) -> Interval:
        """The part of an interval that is possible at all."""
        low, high = (min(max(end, self.low), self.high) for end in (interval.low, interval.high))
        return Interval(low, high)

    def score(self, mean: float, n: float) -> Interval:
        """Wilson's interval of a mean of n values in this bounded range.

        Their variance is at most that of yes/no outcomes at the two ends, so it is wide
        enough for every distribution, and has a width where all values are equal.
        """
        width = self.high - self.low
        share = min(1.0, max(0.0, (mean - self.low) / width))
        ends = wilson_of_share(share, n)
        return Interval(self.low + width * ends.low, self.low + width * ends.high)


ANY = Range()
SHARE = Range(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with its 95% interval and the number of units behind it."""

    value: float
    interval: Interval
    n: int


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of successes.

    `n` may be 0; the rate then has no value. Anything else than
    0 <= successes <= n raises ValueError.
    """

    successes: int
    n: int

    def __post_init__(self) -> None:
        _check_count(self.successes, self.n)

    @property
    def value(self) -> float:
        """The share in [0, 1]; NaN where n is 0."""
        return self.successes / self.n if self.n else math.nan

    @property
    def interval(self) -> Interval:
        """Wilson 95% interval; [0, 1] where n is 0."""
        return wilson(self.successes, self.n)

    @property
    def estimate(self) -> Estimate:
        """The same as value, interval and n."""
        return Estimate(self.value, self.interval, self.n)


@dataclass(frozen=True, slots=True)
class McNemar:
    """Exact McNemar test of a paired yes/no outcome.

    Attributes:
        b: Units that were true before and are false after.
        c: Units that were false before and are true after.
        p: Two-sided exact p-value; 1.0 where nothing changed.
    """

    b: int
    c: int
    p: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference, after minus before.

    Attributes:
        value: The difference, in the units of the outcome (rates: -1 to 1).
        interval: Its 95% interval.
        n: Number of paired units.
        p: Two-sided p-value of "no difference", not adjusted.
        method: The interval's and the test's method.
    """

    value: float
    interval: Interval
    n: int
    p: float
    method: str


def wilson(successes: int, n: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Wilson score interval of a proportion (Wilson 1927), no continuity correction.

    No trials at all give [0, 1]. `confidence` is the coverage in (0, 1).

    Raises:
        ValueError: Not 0 <= successes <= n.
    """
    _check_count(successes, n)
    if n == 0:
        return Interval(0.0, 1.0)
    return wilson_of_share(successes / n, n, confidence=confidence)


def wilson_of_share(share: float, n: float, *, confidence: float = CONFIDENCE) -> Interval:
    """`wilson` of a share in [0, 1] out of n > 0 effective trials, which need not be whole."""
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # The ends are exactly 0 and 1 at the extremes; rounding must not say otherwise.
    low = 0.0 if share == 0.0 else centre - half
    return Interval(low, 1.0 if share == 1.0 else centre + half)


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> McNemar:
    """Exact McNemar test (binomial, two-sided) on the same units in the same order.

    Raises:
        ValueError: The two differ in length.
    """
    _check_paired(before, after, least=0)
    b = sum(x and not y for x, y in zip(before, after, strict=True))
    c = sum(y and not x for x, y in zip(before, after, strict=True))
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1))
    return McNemar(b, c, min(1.0, 2 * tail / 2 ** (b + c)))


def paired_difference(before: Sequence[bool], after: Sequence[bool]) -> Difference:
    """Difference of two paired rates, after minus before.

    Interval: Newcombe's square-and-add of two Wilson intervals with the
    correlation of the pairs (Newcombe 1998, Statistics in Medicine 17:2635,
    method 10, continuity-corrected phi). It needs no resampling, so it has no
    seed, and has a width at rates of 0 and 1, where a bootstrap collapses to a
    point. It is conservative where few pairs change. The p-value is
    `mcnemar`'s; near 0.05 the two can disagree about zero. Both hold the same
    units in the same order.

    Raises:
        ValueError: The two differ in length or are empty.
    """
    _check_paired(before, after, least=1)
    n = len(before)
    both = sum(x and y for x, y in zip(before, after, strict=True))
    test = mcnemar(before, after)
    phi = _corrected_phi(both, test.c, test.b, n - both - test.b - test.c)
    first, second = Rate(both + test.c, n), Rate(both + test.b, n)  # after, before
    return Difference(
        first.value - second.value,
        square_and_add((second.value, second.interval), (first.value, first.interval), phi, SHARE),
        n,
        test.p,
        "Newcombe paired score interval; exact McNemar test",
    )


def mean_estimate(values: Sequence[float], *, within: Range = ANY) -> Estimate:
    """Mean with its 95% t interval, from at least 2 finite numbers.

    Args:
        values: The numbers.
        within: What such a value, and so their mean, can be. Where all values are equal
            a bounded range gives the interval its width (`Range.score`); without one it
            is that point.

    Raises:
        ValueError: Fewer values.
    """
    if len(values) < 2:
        raise ValueError(f"an interval of a mean needs at least 2 values, got {len(values)}")
    mean, n = fmean(values), len(values)
    if within.is_bounded and are_equal(values):
        return Estimate(mean, within.score(mean, n), n)
    from scipy import stats

    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)) * stdev(values) / math.sqrt(n)
    return Estimate(mean, within.clip(Interval(mean - half, mean + half)), n)


def paired_mean_difference(
    before: Sequence[float], after: Sequence[float], *, within: Range = ANY
) -> Difference:
    """Mean of the paired differences, after minus before, by the paired t test.

    Both hold the same units in the same order. Where every difference is the same
    number, a bounded range gives the interval its width from the two means (square and
    add, as `paired_difference`), without one it is that point; p is 1 (no change) or
    that of sign flips, 2 / 2^n.

    Args:
        before: One value a unit.
        after: The same units in the same order.
        within: What one *value* can be; the difference follows from it.

    Raises:
        ValueError: The two differ in length, or fewer than 2 values.
    """
    _check_paired(before, after, least=2)
    differences = [y - x for x, y in zip(before, after, strict=True)]
    n, spread = len(differences), stdev(differences)
    if are_equal(differences):
        value = fmean(differences)
        ends = Interval(value, value)
        if within.is_bounded:
            ends = score_difference(fmean(before), fmean(after), n, within)
        p = 1.0 if value == 0.0 else no_spread_p(n)
        return Difference(value, ends, n, p, "all differences equal; sign flips")
    estimate = mean_estimate(differences, within=within.of_difference)
    from scipy import stats

    t = estimate.value / (spread / math.sqrt(n))
    p = float(2 * stats.t.sf(abs(t), n - 1))
    return Difference(estimate.value, estimate.interval, n, p, "paired t")


def score_difference(
    before: float, after: float, n: float, within: Range, *, phi: float = 0.0
) -> Interval:
    """Square-and-add interval of a difference of two means in a bounded range.

    Args:
        before: Mean of n values.
        after: The other mean.
        n: Effective number of values behind each.
        within: What one value can be.
        phi: Correlation of the pairs.
    """
    return square_and_add(
        (before, within.score(before, n)), (after, within.score(after, n)), phi, within
    )


def square_and_add(
    before: tuple[float, Interval], after: tuple[float, Interval], phi: float, within: Range
) -> Interval:
    """Interval of a difference from those of its two sides (Newcombe 1998; Zou & Donner 2008).

    Args:
        before: Value and interval.
        after: The same of the other side.
        phi: Their correlation.
        within: What one value can be; the interval is clipped to its differences.
    """
    (old, theirs), (new, ours) = before, after
    low = _add(new - ours.low, theirs.high - old, phi)
    high = _add(ours.high - new, old - theirs.low, phi)
    return within.of_difference.clip(Interval(new - old - low, new - old + high))


def are_equal(values: Sequence[float]) -> bool:
    """True where numbers differ by no more than rounding does (0.4 - 0.1 and 0.5 - 0.2)."""
    low, high = min(values), max(values)
    return high - low <= 1e-12 * max(1.0, abs(low), abs(high))


def no_spread_p(n: int) -> float:
    """Two-sided p-value of n equal differences by sign flips: none smaller exists."""
    return min(1.0, 2.0 / 2.0 ** min(n, 1000))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979); may be none."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def coin_p(correct: int, n: int) -> float:
    """Exact one-sided p-value of so many or more correct of n by a coin; 1 where n is 0.

    Raises:
        ValueError: Not 0 <= correct <= n.
    """
    _check_count(correct, n)
    return sum(math.comb(n, k) for k in range(correct, n + 1)) / (1 << n)


def _corrected_phi(both: int, first_only: int, second_only: int, neither: int) -> float:
    """Phi of a 2x2 table, pulled towards 0 by n/2 where it is positive."""
    rows = (both + first_only) * (second_only + neither)
    columns = (both + second_only) * (first_only + neither)
    if rows * columns == 0:
        return 0.0
    n = both + first_only + second_only + neither
    cross = float(both * neither - first_only * second_only)
    if cross > 0:
        cross = max(0.0, cross - n / 2)
    return cross / math.sqrt(rows * columns)


def _add(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(0.0, first**2 - 2 * phi * first * second + second**2))


def _check_count(successes: int, n: int) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"a rate needs 0 <= successes <= n, got {successes} of {n}")


def _check_paired(before: Sequence[object], after: Sequence[object], *, least: int) -> None:
    if len(before) != len(after):
        raise ValueError(
            f"paired outcomes need the same units on both sides: {len(before)} and {len(after)}"
        )
    if len(before) < least:
        raise ValueError(f"a paired difference needs at least {least} units, got {len(before)}")
