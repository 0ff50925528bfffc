"""Bootstrap, equivalence, power and seeds against scipy, statsmodels, hand work."""

import math
import random

import numpy as np
import pytest
from anlage.stats.bootstrap import paired_bootstrap
from anlage.stats.equivalence import mean_equivalence, rate_equivalence, tango_z
from anlage.stats.intervals import paired_difference, paired_mean_difference
from anlage.stats.power import (
    mcnemar_power,
    paired_t_power,
    smallest_visible_change,
    smallest_visible_effect,
)
from anlage.stats.seeds import crossed_difference, seed_difference
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired


def outcomes(both: int, up: int, down: int, neither: int) -> tuple[list[bool], list[bool]]:
    before = [True] * both + [False] * up + [True] * down + [False] * neither
    after = [True] * both + [True] * up + [False] * down + [False] * neither
    return before, after


# --- bootstrap


def test_bootstrap_of_a_mean_is_near_the_t_interval_on_normal_data() -> None:
    rng = random.Random(1)
    before = [rng.gauss(0, 1) for _ in range(200)]
    after = [x + rng.gauss(0.3, 0.5) for x in before]
    boot, t = paired_bootstrap(before, after), paired_mean_difference(before, after)
    assert boot.value == pytest.approx(t.value)
    assert boot.interval.low == pytest.approx(t.interval.low, abs=0.02)
    assert boot.interval.high == pytest.approx(t.interval.high, abs=0.02)
    assert boot.p == pytest.approx(1 / 4001)


def test_bootstrap_has_a_seed_and_a_sign() -> None:
    before, after = [0.0, 1.0, 2.0, 0.5] * 5, [1.0, 1.5, 2.0, 0.7] * 5
    assert paired_bootstrap(before, after) == paired_bootstrap(before, after)
    back = paired_bootstrap(after, before)
    assert back.value == -paired_bootstrap(before, after).value < 0


def test_groups_make_the_interval_wider_where_units_repeat() -> None:
    rng = random.Random(2)
    gaps = [rng.gauss(0, 1) for _ in range(40)]
    after = [gap for gap in gaps for _ in range(10)]  # ten copies of each prompt
    before = [0.0] * len(after)
    names = [index // 10 for index in range(len(after))]
    alone, grouped = paired_bootstrap(before, after), paired_bootstrap(before, after, groups=names)
    width = grouped.interval.high - grouped.interval.low
    assert width > 2.5 * (alone.interval.high - alone.interval.low)
    assert grouped.value == pytest.approx(alone.value)
    single = paired_bootstrap([0.0] * 40, gaps)
    assert grouped.interval.low == pytest.approx(single.interval.low, abs=1e-9)


def test_sign_flip_by_hand() -> None:
    # Three groups, all up by 1: of the 8 sign patterns 2 are as far from zero.
    found = paired_bootstrap([0.0] * 3, [1.0] * 3, resamples=20_000)
    assert found.p == pytest.approx(0.25, abs=0.015)
    assert (found.interval.low, found.interval.high) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "groups", "words"),
    [
        ([1.0], [1.0, 2.0], None, "same units"),
        ([1.0, 2.0], [1.0, 2.0], ["a"], "a group each"),
        ([1.0, 2.0], [1.0, 2.0], ["a", "a"], "at least 2 groups"),
        ([1.0, math.nan], [1.0, 2.0], None, "finite"),
    ],
)
def test_bootstrap_refuses_what_it_cannot_use(
    before: list[float], after: list[float], groups: list[str] | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        paired_bootstrap(before, after, groups=groups)


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


def test_equivalence_and_its_interval_agree() -> None:
    for up, down in ((2, 3), (8, 9), (0, 6), (12, 1), (0, 0)):
        found = rate_equivalence(*outcomes(100, up, down, 97), 0.05)
        inside = found.interval.low > -0.05 and found.interval.high < 0.05
        assert found.equivalent == inside, (up, down)


def test_tango_at_no_difference_is_mcnemars_z() -> None:
    assert tango_z(4, 13, 90, 0.0) == pytest.approx((13 - 4) / math.sqrt(17))


def test_tango_published_example() -> None:
    # Tango 1998, crossover of soft contact lenses: b=1, c=0, n=44; test of a loss of 10 points.
    assert tango_z(1, 0, 44, -0.1) == pytest.approx(1.709, abs=2e-3)
    found = rate_equivalence(*outcomes(43, 0, 1, 0), 0.1)
    assert found.not_worse
    assert found.p_not_lower == pytest.approx(0.044, abs=1e-3)


def test_a_loss_beyond_the_margin_is_not_called_equal() -> None:
    found = rate_equivalence(*outcomes(200, 0, 40, 160), 0.03)
    assert found.value == -0.1
    assert not found.not_worse
    assert not found.equivalent
    gain = rate_equivalence(*outcomes(200, 40, 0, 160), 0.03)
    assert gain.not_worse
    assert not gain.equivalent


def test_few_units_show_nothing() -> None:
    assert not rate_equivalence(*outcomes(5, 0, 0, 5), 0.03).not_worse


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


def test_seed_difference_is_the_paired_t_test_and_knows_its_standing() -> None:
    found = seed_difference([0.1, 0.2, 0.15], [0.5, 0.7, 0.6])
    theirs = scipy_stats.ttest_rel([0.5, 0.7, 0.6], [0.1, 0.2, 0.15])
    assert found.difference.p == pytest.approx(theirs.pvalue)
    assert found.standing == "provisional"
    assert seed_difference([0.0] * 5, [0.1, 0.2, 0.3, 0.2, 0.2]).standing == "claim"
    assert seed_difference([0.0] * 2, [0.1, 0.2]).standing == "anecdote"


def test_new_prompts_widen_the_interval_where_prompts_differ() -> None:
    rng = random.Random(5)
    effects = [rng.gauss(0.3, 0.5) for _ in range(12)]
    before = [[0.0] * 12 for _ in range(5)]
    after = [[effect + rng.gauss(0, 0.05) for effect in effects] for _ in range(5)]
    crossed = crossed_difference(before, after)
    fixed = seed_difference([0.0] * 5, [sum(row) / 12 for row in after])
    assert crossed.difference.value == pytest.approx(fixed.difference.value)
    width = crossed.difference.interval.high - crossed.difference.interval.low
    assert width > 5 * (fixed.difference.interval.high - fixed.difference.interval.low)
    assert crossed.sd_prompts == pytest.approx(np.std(effects, ddof=1), rel=0.1)


def test_crossed_equals_the_seed_t_test_where_prompts_are_alike() -> None:
    after = [[0.5, 0.5], [0.7, 0.7], [0.9, 0.9]]
    found = crossed_difference([[0.0, 0.0]] * 3, after).difference
    theirs = seed_difference([0.0] * 3, [0.5, 0.7, 0.9]).difference
    assert found.interval.low == pytest.approx(theirs.interval.low)
    assert found.p == pytest.approx(theirs.p)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="same 2 or more seeds"):
        crossed_difference([[0.0, 0.1]] * 3, [[0.0, 0.1]] * 2)
    with pytest.raises(ValueError, match="same 2 or more seeds"):
        crossed_difference([[0.0, 0.1], [0.0]], [[0.0, 0.1], [0.0]])


def test_bootstrap_agrees_with_newcombe_on_rates() -> None:
    before, after = outcomes(40, 30, 10, 60)
    boot = paired_bootstrap([float(x) for x in before], [float(x) for x in after])
    score = paired_difference(before, after)
    assert boot.interval.low == pytest.approx(score.interval.low, abs=0.02)
    assert boot.interval.high == pytest.approx(score.interval.high, abs=0.02)
