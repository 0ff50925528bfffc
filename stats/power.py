"""Power of a comparison and the smallest change it can detect, computed before it is run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ALPHA = 0.05
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Visible:
    """The smallest change a paired comparison of rates sees with enough power.

    Attributes:
        n: Number of paired prompts.
        before: The rate compared with, in [0, 1].
        change: The smallest change in [0, 1], or None where even the largest is missed.
        power: The power asked for.
    """

    n: int
    before: float
    change: float | None
    power: float

    @property
    def sentence(self) -> str:
        """In plain words, for a report."""
        if self.change is None:
            return f"With n={self.n} no change can be seen at all."
        return (
            f"With n={self.n} a change of {math.ceil(100 * self.change - 1e-9)} points or more "
            f"from {100 * self.before:.0f}% is seen {100 * self.power:.0f}% of the time."
        )


def mcnemar_power(n: int, up: float, down: float, *, alpha: float = ALPHA) -> float:
    """Exact power of the exact McNemar test.

    Args:
        n: Paired units.
        up: Share of units that turn from false to true, in [0, 1].
        down: Share that turns from true to false; up + down at most 1.
        alpha: Two-sided level.

    Returns:
        Probability in [0, 1] that the test rejects.

    Raises:
        ValueError: Impossible shares or n below 1.
    """
    if n < 1 or up < 0 or down < 0 or up + down > 1 + 1e-12:
        raise ValueError(f"needs n >= 1 and shares that add up to at most 1: {n}, {up}, {down}")
    changed = up + down
    if changed == 0:
        return 0.0
    import numpy as np
    from scipy import stats

    counts = np.arange(n + 1)
    critical = _critical(n, alpha)  # most units in the rarer direction that reject, or -1
    weight = stats.binom.pmf(counts, n, min(1.0, changed))
    share = up / changed
    few_down = stats.binom.cdf(critical, counts, 1 - share)
    few_up = stats.binom.cdf(critical, counts, share)
    reject = np.where(critical >= 0, few_down + few_up, 0.0)
    return float(np.sum(weight * reject))


def smallest_visible_change(
    n: int, before: float, *, correlation: float = 0.0, power: float = POWER, alpha: float = ALPHA
) -> Visible:
    """The smallest rise (or, from above one half, fall) of a rate that n prompts show.

    With `correlation` 0 the answers before and after are independent, which asks
    for the most prompts; a trained model mostly keeps its answers, so the true
    figure is smaller. In steps of a thousandth.

    Args:
        n: Paired prompts.
        before: Rate before, in [0, 1].
        correlation: Phi of before and after, in [0, 1]; capped at what the two
            rates allow.
        power: Wanted probability of seeing it.
        alpha: Two-sided level of the exact McNemar test.

    Raises:
        ValueError: n below 1, or a rate or correlation outside [0, 1].
    """
    if n < 1 or not 0 <= before <= 1 or not 0 <= correlation <= 1:
        raise ValueError(f"needs n >= 1, rate and phi in [0, 1]: {n}, {before}, {correlation}")
    sign = 1 if before <= 0.5 else -1
    room = math.floor(1000 * (1 - before if sign > 0 else before))  # never past 0 or 1
    low, high = 0, room
    if _power_at(n, before, before + sign * room / 1000, correlation, alpha) < power:
        return Visible(n, before, None, power)
    while high - low > 1:
        middle = (low + high) // 2
        seen = _power_at(n, before, before + sign * middle / 1000, correlation, alpha) >= power
        low, high = (low, middle) if seen else (middle, high)
    return Visible(n, before, high / 1000, power)


def paired_t_power(n: int, effect: float, *, alpha: float = ALPHA) -> float:
    """Power of the paired t test, e.g. over seeds.

    Args:
        n: Pairs, at least 2.
        effect: Mean difference in standard deviations of the differences.
        alpha: Two-sided level.

    Raises:
        ValueError: n below 2.
    """
    if n < 2:
        raise ValueError(f"a t test needs at least 2 pairs, got {n}")
    from scipy import special  # scipy.stats takes most of a second to import

    df, shift = n - 1, effect * math.sqrt(n)
    edge = float(special.stdtrit(df, 1 - alpha / 2))
    return float(1 - special.nctdtr(df, shift, edge) + special.nctdtr(df, shift, -edge))


def smallest_visible_effect(n: int, *, power: float = POWER, alpha: float = ALPHA) -> float:
    """Smallest mean difference, in standard deviations, that n pairs show.

    Raises:
        ValueError: n below 2, or a power that is not in (alpha, 1).
    """
    if not alpha < power < 1:
        raise ValueError(f"power lies in ({alpha}, 1), got {power}")
    high = 1.0
    while paired_t_power(n, high, alpha=alpha) < power:
        high *= 2
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        seen = paired_t_power(n, middle, alpha=alpha) >= power
        low, high = (low, middle) if seen else (middle, high)
    return high


def _power_at(n: int, before: float, after: float, phi: float, alpha: float) -> float:
    spread = math.sqrt(before * (1 - before) * after * (1 - after))
    both = min(before, after, before * after + phi * spread)
    return mcnemar_power(n, after - both, before - both, alpha=alpha)


@lru_cache(maxsize=64)
def _critical(n: int, alpha: float) -> Any:
    """Per number of changed units: most in the rarer direction that still reject."""
    import numpy as np
    from scipy import stats

    counts = np.arange(n + 1)
    # 2 P(X <= k) <= alpha with X ~ Binomial(m, 1/2)
    found = stats.binom.ppf(alpha / 2, counts, 0.5)
    below = stats.binom.cdf(found, counts, 0.5) <= alpha / 2
    return np.where(below, found, found - 1)
