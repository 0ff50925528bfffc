"""Paired bootstrap and sign-flip test, for means and for units that come in groups.

Use these where `intervals` has no closed form: several answers to one prompt (attack
templates over the same requests), or a measure far from normal. Needs numpy and
scipy, imported when called.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from .intervals import CONFIDENCE, Difference, Interval

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 4_000


def paired_bootstrap(
    before: Sequence[float],
    after: Sequence[float],
    *,
    groups: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Mean paired difference, after minus before, by resampling whole groups.

    Interval: bias-corrected and accelerated bootstrap (Efron 1987) of the ratio
    of sums, so that a large group counts by its size. Test: sign flips of whole
    groups (Fisher 1935; the added one after Phipson & Smyth 2010), exact under
    "the difference is symmetric around zero"; its smallest value is 1 /
    (resamples + 1). Where every group's difference is the same the interval is
    that point: for rates near 0 or 1 prefer `stats.paired_difference`.

    Not covered: fewer than about 10 groups (the interval is too narrow), and
    dependence between groups.

    Args:
        before: One value a unit, in the unit's own scale.
        after: The same units in the same order.
        groups: The group of each unit (a prompt's id); None: each unit is its own.
        resamples: Resamples of the interval and of the test, each.
        seed: Seeds both.

    Raises:
        ValueError: Lengths differ, fewer than 2 groups, a value that is not
            finite, or fewer than 100 resamples.
    """
    import numpy as np

    sums, counts = _grouped(before, after, groups)
    if resamples < 100:
        raise ValueError(f"a bootstrap needs at least 100 resamples, got {resamples}")
    rng = np.random.default_rng(seed)
    value = float(sums.sum() / counts.sum())
    low, high = _bca(sums, counts, resamples, rng)
    return Difference(
        value,
        Interval(low, high),
        len(before),
        _sign_flip(sums, resamples, rng),
        f"paired BCa bootstrap over {len(sums)} groups; sign-flip test",
    )


def _grouped(
    before: Sequence[float], after: Sequence[float], groups: Sequence[Hashable] | None
) -> tuple[Any, Any]:
    """Sum of differences and number of units of each group, in order of appearance."""
    import numpy as np

    names = list(range(len(before))) if groups is None else list(groups)
    if not len(before) == len(after) == len(names):
        raise ValueError(
            "paired values need the same units on both sides and a group each: "
            f"{len(before)}, {len(after)} and {len(names)}"
        )
    sums: dict[Hashable, float] = {}
    counts: dict[Hashable, int] = {}
    for name, x, y in zip(names, before, after, strict=True):
        if not math.isfinite(y - x):
            raise ValueError(f"paired values must be finite, got {x!r} and {y!r}")
        sums[name] = sums.get(name, 0.0) + (y - x)
        counts[name] = counts.get(name, 0) + 1
    if len(sums) < 2:
        raise ValueError(f"a bootstrap needs at least 2 groups, got {len(sums)}")
    return np.array(list(sums.values())), np.array(list(counts.values()), dtype=float)


def _bca(sums: Any, counts: Any, resamples: int, rng: np.random.Generator) -> tuple[float, float]:
    import numpy as np
    from scipy import stats

    means = sums / counts
    if np.ptp(means) == 0.0:
        return float(means[0]), float(means[0])

    def ratio(x: Any, y: Any, axis: int = -1) -> Any:
        return x.sum(axis=axis) / y.sum(axis=axis)

    data: Any = (sums, counts)
    statistic: Any = ratio
    with warnings.catch_warnings():  # a degenerate correction falls back below
        warnings.simplefilter("ignore")
        found = stats.bootstrap(
            data,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=resamples,
            confidence_level=CONFIDENCE,
            method="BCa",
            rng=rng,
        )
    low, high = float(found.confidence_interval.low), float(found.confidence_interval.high)
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    tail = 50 * (1 - CONFIDENCE)
    ends = np.percentile(found.bootstrap_distribution, [tail, 100 - tail])
    return float(ends[0]), float(ends[1])


def _sign_flip(sums: Any, resamples: int, rng: np.random.Generator) -> float:
    """Share of sign patterns whose total is at least as far from zero."""
    import numpy as np

    observed = abs(sums.sum())
    at_least = 1
    for start in range(0, resamples, 1000):  # bounds memory
        size = min(1000, resamples - start)
        signs = rng.integers(0, 2, size=(size, len(sums))) * 2 - 1
        at_least += int((np.abs(signs @ sums) >= observed - 1e-12).sum())
    return at_least / (resamples + 1)
