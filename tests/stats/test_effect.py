"""Equivalence, power and seeds against scipy, statsmodels, hand work."""

import random

import numpy as np
import pytest
from anlage.stats.intervals import SHARE, Range, paired_mean_difference, wilson
from anlage.stats.power import (
    mcnemar_power,
    paired_t_power,
    smallest_visible_change,
    smallest_visible_effect,
)
from anlage.stats.seeds import crossed_difference, mean_equivalence
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

# --- equivalence


def test_mean_equivalence_equals_statsmodels() -> None:
    rng = random.Random(3)
    before = [rng.gauss(0, 1) for _ in range(60)]
    after = [x + rng.gauss(0.1, 0.4) for x in before]
    found = mean_equivalence(before, after, 0.25)
    p, lower, upper = ttost_paired(np.array(after), np.array(before), -0.25, 0.25)
    assert found.p_not_lower == pytest.approx(lower[1])
    assert found.p_not_higher == pytest.approx(upper[1])
    assert max(found.p_not_lower, found.p_not_higher) == pytest.approx(p)


# --- power


def test_mcnemar_power_by_counting_every_table() -> None:
    n, up, down = 9, 0.5, 0.1
    total = 0.0
    for c in range(n + 1):
        for b in range(n - c + 1):
            p = scipy_stats.multinomial.pmf([c, b, n - b - c], n, [up, down, 1 - up - down])
            if b + c and 2 * scipy_stats.binom.cdf(min(b, c), b + c, 0.5) <= 0.05:
                total += p
    assert mcnemar_power(n, up, down) == pytest.approx(total, abs=1e-12)


def test_power_rises_with_n_and_stays_at_the_level_without_a_change() -> None:
    assert mcnemar_power(97, 0.3, 0.1) > mcnemar_power(40, 0.3, 0.1)
    assert mcnemar_power(97, 0.2, 0.2) < 0.05
    assert mcnemar_power(97, 0.0, 0.0) == 0.0


def test_every_rate_that_prompts_can_give_has_a_smallest_visible_change() -> None:
    for n in (30, 97):
        for hits in range(n + 1):  # 8 of 97 once led past 1
            found = smallest_visible_change(n, hits / n, correlation=0.5)
            assert found.change is not None
            assert 0 < found.change <= max(hits, n - hits) / n


def test_the_smallest_visible_change_is_visible_and_a_smaller_one_is_not() -> None:
    found = smallest_visible_change(97, 0.05)
    assert found.change is not None
    assert 0.08 < found.change < 0.16
    assert "n=97" in found.sentence
    assert smallest_visible_change(97, 0.5, correlation=0.6).change < (  # type: ignore[operator]
        smallest_visible_change(97, 0.5).change or 0
    )
    assert smallest_visible_change(3, 0.5).change is None
    down = smallest_visible_change(97, 0.95).change
    assert down == found.change  # falls are seen as well as rises


def test_t_power_equals_statsmodels() -> None:
    for n, effect in ((3, 1.0), (5, 1.2), (20, 0.4)):
        theirs = TTestPower().power(effect, n, 0.05)
        assert paired_t_power(n, effect) == pytest.approx(theirs, abs=1e-6)
    assert smallest_visible_effect(5) == pytest.approx(
        TTestPower().solve_power(nobs=5, alpha=0.05, power=0.8), abs=1e-4
    )


# --- seeds


def test_a_difference_of_seeds_is_the_paired_t_test() -> None:
    found = paired_mean_difference([0.1, 0.2, 0.15], [0.5, 0.7, 0.6])
    theirs = scipy_stats.ttest_rel([0.5, 0.7, 0.6], [0.1, 0.2, 0.15])
    assert found.p == pytest.approx(theirs.pvalue)


def test_new_prompts_widen_the_interval_where_prompts_differ() -> None:
    rng = random.Random(5)
    effects = [rng.gauss(0.3, 0.5) for _ in range(12)]
    before = [[0.0] * 12 for _ in range(5)]
    after = [[effect + rng.gauss(0, 0.05) for effect in effects] for _ in range(5)]
    crossed = crossed_difference(before, after)
    fixed = paired_mean_difference([0.0] * 5, [sum(row) / 12 for row in after])
    assert crossed.value == pytest.approx(fixed.value)
    width = crossed.interval.high - crossed.interval.low
    assert width > 5 * (fixed.interval.high - fixed.interval.low)


def test_crossed_equals_the_seed_t_test_where_prompts_are_alike() -> None:
    after = [[0.5, 0.5], [0.7, 0.7], [0.9, 0.9]]
    found = crossed_difference([[0.0, 0.0]] * 3, after)
    theirs = paired_mean_difference([0.0] * 3, [0.5, 0.7, 0.9])
    assert found.interval.low == pytest.approx(theirs.interval.low)
    assert found.p == pytest.approx(theirs.p)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="same 2 or more seeds"):
        crossed_difference([[0.0, 0.1]] * 3, [[0.0, 0.1]] * 2)
    with pytest.raises(ValueError, match="same 2 or more seeds"):
        crossed_difference([[0.0, 0.1], [0.0]], [[0.0, 0.1], [0.0]])


def test_seeds_that_agree_by_chance_do_not_explode_the_interval() -> None:
    """Satterthwaite's degrees of freedom went to 0 here, and the interval to 1e37 and more."""
    rng = np.random.default_rng(5)
    for seeds, prompts in ((2, 40), (3, 40), (3, 12), (5, 40)):
        for _ in range(300):
            noise = rng.normal(0, 0.05, (1, prompts)) + rng.normal(0, 0.4, (seeds, prompts))
            gaps = (0.3 + noise).tolist()
            zero = [[0.0] * prompts] * seeds
            crossed = crossed_difference(zero, gaps)
            fixed = paired_mean_difference([0.0] * seeds, [sum(row) / prompts for row in gaps])
            width = crossed.interval.high - crossed.interval.low
            assert width >= fixed.interval.high - fixed.interval.low - 1e-12
            # 12.7 and 4.3: t with 1 and 2 degrees of freedom
            spread = np.std(gaps, ddof=1) * np.sqrt(2 / min(seeds, prompts))
            assert width <= 2 * {2: 12.71, 3: 4.31, 5: 2.78}[seeds] * spread


def test_the_crossed_interval_stays_within_what_a_difference_of_shares_can_be() -> None:
    before = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    after = [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]
    ends = crossed_difference(before, after, within=SHARE).interval
    assert -1.0 <= ends.low < ends.high <= 1.0
    wide = crossed_difference(before, after).interval
    assert wide.high > 1.0  # what it was before it knew its measure


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_runs_that_all_agree_leave_the_prompts_uncertainty(seeds: int) -> None:
    never, always = [[0.0] * 40] * seeds, [[1.0] * 40] * seeds
    same = crossed_difference(never, never, within=SHARE)
    assert (same.value, same.p) == (0.0, 1.0)
    assert same.interval.high == pytest.approx(wilson(0, 40).high)
    all_of_it = crossed_difference(never, always, within=SHARE)
    assert all_of_it.interval.high == 1.0
    assert 0.85 < all_of_it.interval.low < 0.95  # not [1, 1]
    assert 0.0 < all_of_it.p < 1e-6


def test_seeds_of_the_same_mean_on_other_prompts_are_no_proof() -> None:
    """Separations of two seeds with the same mean: the variance between seeds came out as 0."""
    after = [[1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]]
    found = crossed_difference([[0.0] * 6] * 2, after, within=Range(-1.0, 1.0))
    assert found.p > 0.05
    assert found.interval.low < 0.0 < found.value < found.interval.high


def test_two_equal_seed_gaps_are_no_proof() -> None:
    found = paired_mean_difference([0.1, 0.2], [0.4, 0.5], within=SHARE)
    assert found.p == 0.5  # it was 0.0
    assert found.interval.low < 0.0 < 0.3 < found.interval.high
    check = mean_equivalence([0.5, 0.5], [0.5, 0.5], 0.05)
    assert (check.p_not_lower, check.p_not_higher) == (0.25, 0.25)
    enough = mean_equivalence([0.5] * 5, [0.5] * 5, 0.05)
    assert max(enough.p_not_lower, enough.p_not_higher) < 0.05
