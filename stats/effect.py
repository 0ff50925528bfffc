"""How large a difference is, apart from whether it is real: standardised sizes and ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Literal

from .intervals import CONFIDENCE, Interval, mcnemar

Size = Literal["negligible", "small", "medium", "large"]


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect size.

    Attributes:
        value: The size; its unit follows from `name`.
        interval: 95% interval, or None where no good one is known here.
        name: `Cohen's h`, `Hedges' g (paired)`, `odds ratio (paired)`.
    """

    value: float
    interval: Interval | None
    name: str


def cohens_h(before: float, after: float) -> float:
    """Difference of two shares on the arcsine scale (Cohen 1988), in [-pi, pi].

    Positive where `after` is larger. Equal steps of h are about equally hard to
    see anywhere between 0 and 1, unlike equal steps in points.

    Raises:
        ValueError: A share outside [0, 1].
    """
    for share in (before, after):
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"a share lies in [0, 1], got {share}")
    return 2 * math.asin(math.sqrt(after)) - 2 * math.asin(math.sqrt(before))


def size_of_h(h: float) -> Size:
    """Cohen's words: 0.2 is small, 0.5 medium, 0.8 large; conventions, not findings."""
    for limit, word in ((0.8, "large"), (0.5, "medium"), (0.2, "small")):
        if abs(h) >= limit:
            return word  # type: ignore[return-value]
    return "negligible"


def hedges_g_paired(before: Sequence[float], after: Sequence[float]) -> Effect:
    """Mean paired difference in standard deviations of the differences (d_z).

    Corrected for small samples (Hedges 1981). The interval inverts the
    noncentral t distribution and is corrected by the same factor. The spread is
    that of the *differences*: not comparable with a d of two groups.

    Raises:
        ValueError: Lengths differ, fewer than 2 pairs, or no spread.
    """
    if len(before) != len(after) or len(before) < 2:
        raise ValueError(f"needs 2 or more pairs, got {len(before)} and {len(after)} values")
    differences = [y - x for x, y in zip(before, after, strict=True)]
    spread = stdev(differences)
    if spread == 0.0:
        raise ValueError("all differences are equal: a standardised size is not defined")
    n = len(differences)
    correction = _small_sample(n - 1)
    t = fmean(differences) / spread * math.sqrt(n)
    low, high = (correction * end / math.sqrt(n) for end in _noncentrality(t, n - 1))
    return Effect(correction * t / math.sqrt(n), Interval(low, high), "Hedges' g (paired)")


def paired_odds_ratio(before: Sequence[bool], after: Sequence[bool]) -> Effect:
    """Odds of becoming true over odds of becoming false, among units that changed.

    Conditional estimate c / b with the exact interval that inverts the binomial
    (Clopper & Pearson 1934). inf where nothing became false; NaN where nothing
    changed at all.

    Raises:
        ValueError: The two differ in length.
    """
    test = mcnemar(before, after)
    changed = test.b + test.c
    if not changed:
        return Effect(math.nan, None, "odds ratio (paired)")
    low, high = _clopper_pearson(test.c, changed)
    ends = Interval(low / (1 - low), math.inf if high == 1.0 else high / (1 - high))
    value = test.c / test.b if test.b else math.inf
    return Effect(value, ends, "odds ratio (paired)")


def risk_ratio(first: tuple[int, int], second: tuple[int, int]) -> Effect:
    """Rate of the second over rate of the first group, unpaired; Katz log interval.

    Args:
        first: Successes and n of the group compared with.
        second: Successes and n of the other.

    Raises:
        ValueError: A group without a success or without units: no ratio then.
    """
    (a, n), (c, m) = first, second
    if not (0 < a <= n and 0 < c <= m):
        raise ValueError(f"a ratio needs successes in both groups, got {first} and {second}")
    value = (c / m) / (a / n)
    error = math.sqrt(1 / a - 1 / n + 1 / c - 1 / m)
    half = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * error
    return Effect(
        value, Interval(value * math.exp(-half), value * math.exp(half)), "risk ratio (Katz)"
    )


def _small_sample(df: int) -> float:
    """Hedges' exact correction."""
    return (
        math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2) - 0.5 * math.log(df / 2))
        if df > 1
        else 1.0
    )


def _noncentrality(t: float, df: int) -> tuple[float, float]:
    """The noncentralities under which t is the upper and the lower 2.5% point."""
    from scipy import optimize, stats

    tail = (1 - CONFIDENCE) / 2
    ends = []
    for share in (1 - tail, tail):

        def off(nc: float, share: float = share) -> float:
            return float(stats.nct.cdf(t, df, nc)) - share

        reach = 10.0 + 2 * abs(t)
        ends.append(float(optimize.brentq(off, t - reach, t + reach)))
    return ends[0], ends[1]


def _clopper_pearson(k: int, n: int) -> tuple[float, float]:
    from scipy import stats

    found = stats.binomtest(k, n).proportion_ci(confidence_level=CONFIDENCE, method="exact")
    return float(found.low), float(found.high)
