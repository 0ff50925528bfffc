"""Differences between arms of a study; the unit is the trained run, one per seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from .intervals import CONFIDENCE, Difference, Interval, paired_mean_difference

CLAIM_SEEDS = 5
PROVISIONAL_SEEDS = 3

Standing = Literal["claim", "provisional", "anecdote"]


@dataclass(frozen=True, slots=True)
class SeedDifference:
    """A difference between two arms over paired seeds.

    Attributes:
        difference: Mean over seeds, its 95% interval and p-value.
        seeds: Number of paired seeds.
        sd_seeds: Standard deviation between seeds, prompts' noise taken out where
            prompts were given; same units.
        sd_prompts: The same between prompts; None where only means were given.
    """

    difference: Difference
    seeds: int
    sd_seeds: float
    sd_prompts: float | None = None

    @property
    def standing(self) -> Standing:
        """What it may be called: a claim needs 5 seeds, 3 or 4 are provisional."""
        if self.seeds >= CLAIM_SEEDS:
            return "claim"
        return "provisional" if self.seeds >= PROVISIONAL_SEEDS else "anecdote"


def seed_difference(before: Sequence[float], after: Sequence[float]) -> SeedDifference:
    """T interval on paired seed differences, one number per run.

    The prompts are taken as fixed: the interval says what another seed would
    give on the *same* prompts.

    Args:
        before: One value a seed.
        after: The other arm, same seeds in the same order.

    Raises:
        ValueError: Lengths differ or fewer than 2 seeds.
    """
    found = paired_mean_difference(before, after)
    gaps = [y - x for x, y in zip(before, after, strict=True)]
    mean = fmean(gaps)
    sd = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1))
    return SeedDifference(found, len(gaps), sd)


def crossed_difference(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]
) -> SeedDifference:
    """Mean difference that holds for new seeds *and* new prompts.

    Every seed answers the same prompts, so both are random and crossed. The
    variance of the mean is (MS_seeds + MS_prompts - MS_rest) / (seeds x
    prompts), its degrees of freedom by Satterthwaite (1946), as in the two-way
    random-effects model (Clark 1973 on prompts as a random sample). Where
    prompts vary little the result is `seed_difference`'s, or a bit wider: the
    variance is never taken below that of seeds alone.

    Args:
        before: (seeds, prompts): each run's value on each prompt.
        after: The other arm: same seeds, same prompts, same order.

    Raises:
        ValueError: Shapes differ, or fewer than 2 seeds or prompts.
    """
    gaps = _gaps(before, after)
    seeds, prompts = len(gaps), len(gaps[0])
    mean = fmean(value for row in gaps for value in row)
    rows = [fmean(row) for row in gaps]
    columns = [fmean(column) for column in zip(*gaps, strict=True)]
    ms_seeds = prompts * sum((row - mean) ** 2 for row in rows) / (seeds - 1)
    ms_prompts = seeds * sum((column - mean) ** 2 for column in columns) / (prompts - 1)
    rest = sum(
        (gaps[i][j] - rows[i] - columns[j] + mean) ** 2
        for i in range(seeds)
        for j in range(prompts)
    )
    df_rest = (seeds - 1) * (prompts - 1)
    ms_rest = rest / df_rest
    total = max(ms_seeds, ms_seeds + ms_prompts - ms_rest)
    sd_seeds = math.sqrt(max(0.0, ms_seeds - ms_rest) / prompts)
    sd_prompts = math.sqrt(max(0.0, ms_prompts - ms_rest) / seeds)
    if total == 0.0:
        fixed = Difference(mean, Interval(mean, mean), seeds, float(mean == 0.0), "no spread")
        return SeedDifference(fixed, seeds, sd_seeds, sd_prompts)
    if ms_prompts > ms_rest:
        parts = ms_seeds**2 / (seeds - 1) + ms_prompts**2 / (prompts - 1) + ms_rest**2 / df_rest
        df = total**2 / parts
    else:
        df = seeds - 1.0
    error = math.sqrt(total / (seeds * prompts))
    difference = _t_difference(mean, error, df, seeds)
    return SeedDifference(difference, seeds, sd_seeds, sd_prompts)


def bounded(found: SeedDifference, most: float) -> SeedDifference:
    """The same with its interval cut to [-most, most]: all that such a difference can be.

    A t interval over few seeds may reach further, as from shares it never can.
    """
    ends = found.difference.interval
    interval = Interval(max(-most, ends.low), min(most, ends.high))
    return replace(found, difference=replace(found.difference, interval=interval))


def _t_difference(mean: float, error: float, df: float, n: int) -> Difference:
    from scipy import stats

    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, df)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, df))
    method = f"crossed seeds and prompts, t with {df:.1f} degrees of freedom (Satterthwaite)"
    return Difference(mean, Interval(mean - half, mean + half), n, p, method)


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
