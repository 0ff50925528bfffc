"""Cohen's kappa: how far two judges agree beyond chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..stats import Interval


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement of two judges on the same units.

    Attributes:
        value: Cohen's kappa, at most 1; 0 is chance, below 0 less than chance. NaN
            where either nothing was judged or both always gave one and the same word.
        interval: Its 95% percentile bootstrap interval over units; [-1, 1] where NaN.
        observed: Share of units on which they agree, in [0, 1]; NaN without units.
        n: Units.
    """

    value: float
    interval: Interval
    observed: float
    n: int


def cohen_kappa(
    first: Sequence[str], second: Sequence[str], *, resamples: int = 2000, seed: int = 0
) -> Kappa:
    """Cohen's kappa (Cohen 1960) with a bootstrap interval.

    Args:
        first: One judge's words, unit by unit.
        second: The other's, in the same order.
        resamples: Of the bootstrap. Samples whose kappa is not defined are left out.
        seed: Of the bootstrap.

    Raises:
        ValueError: The two differ in length.
    """
    import numpy as np

    if len(first) != len(second):
        raise ValueError(f"kappa needs the same units: {len(first)} and {len(second)}")
    n = len(first)
    if n == 0:
        return Kappa(math.nan, Interval(-1.0, 1.0), math.nan, 0)
    words = sorted({*first, *second})
    place = {word: index for index, word in enumerate(words)}
    table = np.zeros((len(words), len(words)))
    for one, other in zip(first, second, strict=True):
        table[place[one], place[other]] += 1
    # Drawing units with replacement is drawing cells of the table by their shares.
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(n, (table / n).ravel(), size=resamples)
    values = [_kappa(sample.reshape(table.shape)) for sample in drawn]
    known = [value for value in values if not math.isnan(value)]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (-1.0, 1.0)
    value = _kappa(table)
    interval = Interval(-1.0, 1.0) if math.isnan(value) else Interval(float(low), float(high))
    return Kappa(value, interval, float(np.trace(table)) / n, n)


def _kappa(table: object) -> float:
    """Kappa of a table of counts, (W, W) for W words."""
    import numpy as np

    counts = np.asarray(table, dtype=float)  # (W, W)
    n = counts.sum()
    observed = np.trace(counts) / n
    expected = float((counts.sum(axis=0) * counts.sum(axis=1)).sum()) / n**2
    return math.nan if expected >= 1.0 else float((observed - expected) / (1.0 - expected))
