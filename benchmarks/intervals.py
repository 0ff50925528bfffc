"""Do the intervals cover and the tests hold their level? By simulation.

    python benchmarks/intervals.py                # the table of intervals.md, about 6 minutes
    python benchmarks/intervals.py --quick        # fewer simulations

Wilson's coverage is computed exactly; everything else is simulated with a seed.
The results stand in `intervals.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from anlage.stats.clusters import clustered_difference, clustered_rate, sign_flip_p
from anlage.stats.intervals import (
    SHARE,
    holm,
    mcnemar,
    mean_estimate,
    paired_difference,
    paired_mean_difference,
    wilson,
)
from anlage.stats.seeds import crossed_difference, mean_equivalence
from scipy.stats import binom, norm

Rng = np.random.Generator
GRID_P = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
GRID_N = (20, 40, 97, 250, 714)
EDGE_P = (0.0, 0.02, 0.5, 0.98, 1.0)
REQUESTS = (5, 10, 20, 48, 100)
ATTACKS = 3
ALIKE = (0.0, 0.3, 0.7, 1.0)
"""Correlation of the answers to one request."""
SEEDS = (2, 3, 5)
PROMPTS = (12, 40, 97)


@dataclass(frozen=True)
class Row:
    """One line: `share` of simulations in which `what` held."""

    what: str
    setting: str
    share: float
    n: int


def wilson_coverage(p: float, n: int) -> float:
    """Exact: probability that the interval of k of n holds p."""
    holds = [wilson(k, n).contains(p) for k in range(n + 1)]
    return float(binom.pmf(np.arange(n + 1), n, p)[holds].sum())


def pairs(
    rng: Rng, n: int, before: float, after: float, phi: float
) -> tuple[list[bool], list[bool]]:
    """Correlated yes/no outcomes: two normal thresholds with correlation phi."""
    first = rng.normal(size=n)
    second = phi * first + np.sqrt(1 - phi**2) * rng.normal(size=n)
    return (first < norm.ppf(before)).tolist(), (second < norm.ppf(after)).tolist()


def grid_of_wilson() -> Row:
    shares = [wilson_coverage(p, n) for p, n in product(GRID_P, GRID_N)]
    low = min(shares)
    note = f"mean over {len(shares)} cells, p 0.02-0.98, n 20-714; lowest cell {low:.3f}"
    return Row("Wilson 95% interval covers", note, float(np.mean(shares)), 0)


def grid_of_paired(rng: Rng, runs: int) -> Row:
    shares = []
    cells = list(product((0.05, 0.3, 0.6), (0.1, 0.3, 0.8), (0.0, 0.5, 0.9), (40, 97, 250)))
    for before, after, phi, n in cells:
        found = [
            paired_difference(*pairs(rng, n, before, after, phi)).interval for _ in range(runs)
        ]
        shares.append(np.mean([interval.contains(after - before) for interval in found]))
    note = f"mean over {len(cells)} cells of rates, correlation, n; lowest cell {min(shares):.3f}"
    return Row("Newcombe paired 95% interval covers", note, float(np.mean(shares)), runs)


def share_of(runs: int, holds: Callable[[], bool]) -> float:
    return sum(holds() for _ in range(runs)) / runs


def covering(rng: Rng, runs: int) -> list[Row]:
    """Intervals of means: t, seeds, seeds x prompts."""

    def t() -> bool:
        return mean_estimate((rng.normal(size=20) + 1).tolist()).interval.contains(1.0)

    def seeds() -> bool:
        after = (0.1 + 0.05 * rng.normal(size=5)).tolist()
        return paired_mean_difference([0.0] * 5, after).interval.contains(0.1)

    def crossed(prompt_sd: float) -> bool:
        gaps = (
            0.1
            + 0.05 * rng.normal(size=(5, 1))
            + prompt_sd * rng.normal(size=(1, 40))
            + 0.4 * rng.normal(size=(5, 40))
        )
        found = crossed_difference(np.zeros((5, 40)).tolist(), gaps.tolist())
        return found.interval.contains(0.1)

    cover = "95% interval covers"
    return [
        Row(f"t {cover}", "normal, n 20", share_of(runs, t), runs),
        Row(f"seed differences {cover}", "5 seeds, same prompts", share_of(runs, seeds), runs),
        *(
            Row(
                f"seeds x prompts {cover}",
                f"5 seeds, 40 prompts of sd {sd}",
                share_of(runs, lambda sd=sd: crossed(sd)),  # type: ignore[misc]
                runs,
            )
            for sd in (0.0, 0.1, 0.5)
        ),
    ]


def answers(rng: Rng, p: float, groups: int, alike: float, repeats: int = ATTACKS) -> np.ndarray:
    """(groups, repeats) yes/no outcomes of rate p; `alike` correlates those of one group."""
    if alike in (0.0, 1.0) or p in (0.0, 1.0):
        drawn = rng.random((groups, 1 if alike == 1.0 else repeats)) < p
        return np.broadcast_to(drawn, (groups, repeats)).astype(float)
    scale = (1 - alike) / alike
    chance = rng.beta(p * scale, (1 - p) * scale, size=(groups, 1))
    return (rng.random((groups, repeats)) < chance).astype(float)


def summary(what: str, setting: str, cells: list[float], runs: int) -> Row:
    note = f"{setting}; mean over {len(cells)} cells, from {min(cells):.3f} to {max(cells):.3f}"
    return Row(what, note, float(np.mean(cells)), runs)


def clustered(rng: Rng, runs: int) -> list[Row]:
    """Rates and differences of rates where one request stands in three units."""
    rows = []
    for p in EDGE_P:
        cells = [
            share_of(
                runs,
                lambda n=n, a=a, p=p: clustered_rate(  # type: ignore[misc]
                    answers(rng, p, n, a).tolist()
                ).interval.contains(p),
            )
            for n, a in product(REQUESTS, ALIKE)
        ]
        rows.append(summary("clustered rate 95% interval covers", f"p {p:g}", cells, runs))

    def difference(p: float, q: float, n: int, alike: float) -> bool:
        before, after = answers(rng, p, n, alike), answers(rng, q, n, alike)
        found = clustered_difference(
            before.tolist(), after.tolist(), within=SHARE, is_rate=True, resamples=100
        )
        low, high = found.interval.low - 1e-12, found.interval.high + 1e-12
        return low <= q - p <= high

    for p, q in ((0.0, 0.02), (0.02, 0.02), (0.5, 0.5), (0.02, 0.5), (0.98, 1.0)):
        cells = [
            share_of(runs, lambda p=p, q=q, n=n, a=a: difference(p, q, n, a))  # type: ignore[misc]
            for n, a in product(REQUESTS, ALIKE)
        ]
        what = "clustered difference 95% interval covers"
        rows.append(summary(what, f"{p:g} to {q:g}", cells, runs))
    return rows


def crossed_rates(rng: Rng, runs: int) -> list[Row]:
    """Differences of rates over seeds x prompts, near and at 0 and 1."""

    def holds(seeds: int, prompts: int, p: float, q: float, alike: float) -> bool:
        before, after = (answers(rng, r, prompts, alike, seeds).T for r in (p, q))
        found = crossed_difference(before.tolist(), after.tolist(), within=SHARE)
        return found.interval.low - 1e-12 <= q - p <= found.interval.high + 1e-12

    rows = []
    ends = (
        (0.0, 0.0),
        (0.0, 0.02),
        (0.02, 0.02),
        (0.02, 0.5),
        (0.5, 0.5),
        (0.5, 0.98),
        (0.98, 1.0),
    )
    for seeds, (p, q) in product(SEEDS, ends):
        cells = [
            share_of(runs, lambda n=n, a=a, s=seeds, p=p, q=q: holds(s, n, p, q, a))  # type: ignore[misc]
            for n, a in product(PROMPTS, ALIKE)
        ]
        rows.append(
            summary(
                "seeds x prompts of rates covers", f"{seeds} seeds, {p:g} to {q:g}", cells, runs
            )
        )
    return rows


def rejecting(rng: Rng, runs: int, resamples: int) -> list[Row]:
    """Tests under their null hypothesis; equivalence tests exactly at their margin."""

    def null(n: int, p: float) -> bool:
        return mcnemar(*pairs(rng, n, p, p, 0.5)).p < 0.05

    def t() -> bool:
        return paired_mean_difference([0.0] * 20, rng.normal(size=20).tolist()).p < 0.05

    def flips() -> bool:
        gaps = rng.laplace(size=30).tolist()
        seed = int(rng.integers(1 << 30))
        return sign_flip_p(gaps, resamples=resamples, seed=seed) < 0.05

    def family() -> bool:
        return min(holm([mcnemar(*pairs(rng, 97, 0.4, 0.4, 0.5)).p for _ in range(12)])) < 0.05

    def mean_lost() -> bool:
        gaps = (rng.normal(size=30) - 0.5).tolist()
        return mean_equivalence([0.0] * 30, gaps, 0.5).p_not_lower < 0.05

    few = max(200, runs // 4)
    wrong = "falsely rejects at 5%"
    return [
        Row(f"McNemar {wrong}", "n 97, both 30%", share_of(runs, lambda: null(97, 0.3)), runs),
        Row(f"McNemar {wrong}", "n 714, both 50%", share_of(runs, lambda: null(714, 0.5)), runs),
        Row(f"paired t {wrong}", "n 20", share_of(runs, t), runs),
        Row(f"sign flips {wrong}", "heavy tails, n 30", share_of(few, flips), few),
        Row(f"Holm over 12 McNemar {wrong}", "any of 12, n 97", share_of(runs, family), runs),
        Row("loss of the margin called no loss", "t, n 30", share_of(runs, mean_lost), runs),
    ]  # fmt: skip


def table(rows: list[Row]) -> str:
    lines = ["| what | setting | share | simulations |", "|---|---|---|---|"]
    lines += [f"| {r.what} | {r.setting} | {r.share:.3f} | {r.n or 'exact'} |" for r in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulations")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    runs = 200 if arguments.quick else 2000
    resamples = 500 if arguments.quick else 2000
    rows = [grid_of_wilson(), grid_of_paired(rng, runs // 4)]
    rows += clustered(rng, runs // 4) + crossed_rates(rng, runs // 10)
    rows += covering(rng, runs) + rejecting(rng, runs, resamples)
    print(table(rows))


if __name__ == "__main__":
    main()
