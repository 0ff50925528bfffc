"""Intervals and tests for rates and means: small, exact where that is cheap, all two-sided.

Importing this module loads the standard library only; scipy is imported by the
functions that need Student's t.

`bootstrap` has clustered data (several answers per prompt), `seeds` differences over
trained runs, `equivalence` tests that a change is small, `power` what n can show.
`benchmarks/intervals.py` checks their coverage by simulation.

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
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    share = successes / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # The ends are exactly 0 and 1 at the extremes; rounding must not say otherwise.
    low = 0.0 if successes == 0 else centre - half
    return Interval(low, 1.0 if successes == n else centre + half)


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
    value = first.value - second.value
    ours, theirs = first.interval, second.interval
    low = _add(first.value - ours.low, theirs.high - second.value, phi)
    high = _add(ours.high - first.value, second.value - theirs.low, phi)
    return Difference(
        value,
        Interval(max(-1.0, value - low), min(1.0, value + high)),
        n,
        test.p,
        "Newcombe paired score interval; exact McNemar test",
    )


def mean_estimate(values: Sequence[float]) -> Estimate:
    """Mean with its 95% t interval, from at least 2 finite numbers.

    Raises:
        ValueError: Fewer values.
    """
    if len(values) < 2:
        raise ValueError(f"an interval of a mean needs at least 2 values, got {len(values)}")
    from scipy import stats

    mean = fmean(values)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1))
    half *= stdev(values) / math.sqrt(len(values))
    return Estimate(mean, Interval(mean - half, mean + half), len(values))


def paired_mean_difference(before: Sequence[float], after: Sequence[float]) -> Difference:
    """Mean of the paired differences, after minus before, by the paired t test.

    Both hold the same units in the same order. Where every difference is the
    same number the interval is that point and p is 1 (no change) or 0.

    Raises:
        ValueError: The two differ in length, or fewer than 2 values.
    """
    _check_paired(before, after, least=2)
    differences = [y - x for x, y in zip(before, after, strict=True)]
    estimate = mean_estimate(differences)
    spread = stdev(differences)
    if spread == 0.0:
        p = 1.0 if estimate.value == 0.0 else 0.0
    else:
        from scipy import stats

        t = estimate.value / (spread / math.sqrt(estimate.n))
        p = float(2 * stats.t.sf(abs(t), estimate.n - 1))
    return Difference(estimate.value, estimate.interval, estimate.n, p, "paired t")


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979); may be none."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


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
