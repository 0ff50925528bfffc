"""Intervals and tests against published examples, scipy, statsmodels and simulation."""

import math
import random
import subprocess
import sys

import pytest
from anlage.stats.intervals import (
    SHARE,
    Interval,
    Range,
    Rate,
    holm,
    mcnemar,
    mean_estimate,
    paired_difference,
    paired_mean_difference,
    wilson,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests


def paired(both: int, after_only: int, before_only: int, neither: int) -> tuple[list[bool], ...]:
    before = [True] * both + [False] * after_only + [True] * before_only + [False] * neither
    after = [True] * both + [True] * after_only + [False] * before_only + [False] * neither
    return before, after


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 40), (1, 40), (23, 40), (40, 40), (7, 1000)])
def test_wilson_equals_scipy(k: int, n: int) -> None:
    expected = scipy_stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n).low == pytest.approx(expected.low, abs=1e-9)
    assert wilson(k, n).high == pytest.approx(expected.high, abs=1e-9)


def test_wilson_by_hand() -> None:
    # z = 1.959964, z^2 = 3.841459; k=0, n=10: high = z^2 / (n + z^2) = 0.277533
    assert wilson(0, 10).high == pytest.approx(0.277533, abs=1e-6)
    assert wilson(0, 10).low == 0.0
    assert wilson(10, 10).low == pytest.approx(1 - 0.277533, abs=1e-6)
    assert wilson(10, 10).high == 1.0


def test_rate_without_trials_has_no_value_and_the_widest_interval() -> None:
    assert math.isnan(Rate(0, 0).value)
    assert Rate(0, 0).interval == Interval(0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (1, 0)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"got {k} of {n}"):
        wilson(k, n)
    with pytest.raises(ValueError, match=f"got {k} of {n}"):
        Rate(k, n)


@given(
    both=st.integers(0, 30), up=st.integers(0, 30), down=st.integers(0, 30), rest=st.integers(0, 30)
)
@settings(max_examples=60, deadline=None)
def test_mcnemar_equals_statsmodels(both: int, up: int, down: int, rest: int) -> None:
    before, after = paired(both, up, down, rest)
    result = mcnemar(before, after)
    assert (result.b, result.c) == (down, up)
    expected = reference_mcnemar([[both, down], [up, rest]], exact=True).pvalue
    assert result.p == pytest.approx(expected, abs=1e-12)


def test_mcnemar_by_hand() -> None:
    # five changes, all in one direction: 2 * (1/2)^5 = 1/16
    assert mcnemar([False] * 5 + [True], [True] * 6).p == 1 / 16


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [  # both, after only, before only, neither -> published method 10 limits
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((20, 12, 2, 16), 0.0562, 0.3292),
        ((1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_paired_difference_equals_published_examples(
    table: tuple[int, int, int, int], low: float, high: float
) -> None:
    interval = paired_difference(*paired(*table)).interval
    assert interval.low == pytest.approx(low, abs=5.1e-4)
    assert interval.high == pytest.approx(high, abs=5.1e-4)


def test_difference_is_after_minus_before() -> None:
    before, after = paired(5, 20, 0, 15)
    forward, backward = paired_difference(before, after), paired_difference(after, before)
    assert forward.value == 0.5
    assert forward.interval.low > 0
    assert backward.value == -forward.value
    assert backward.interval.low == pytest.approx(-forward.interval.high)
    assert paired_mean_difference([1.0, 2.0, 3.0], [2.0, 4.0, 4.0]).value == pytest.approx(4 / 3)


@pytest.mark.parametrize("table", [(0, 0, 0, 40), (40, 0, 0, 0), (0, 40, 0, 0), (0, 0, 40, 0)])
def test_extreme_tables_still_have_an_interval(table: tuple[int, int, int, int]) -> None:
    result = paired_difference(*paired(*table))
    assert -1 <= result.interval.low <= result.value <= result.interval.high <= 1
    assert result.interval.high - result.interval.low > 0.05


@pytest.mark.parametrize(
    ("p_before", "p_up", "p_down", "most"),
    [(0.05, 0.5, 0.1, 0.98), (0.3, 0.4, 0.2, 0.98), (0.1, 0.05, 0.05, 1.0)],
)
def test_paired_interval_covers_the_truth_about_95_percent(
    p_before: float, p_up: float, p_down: float, most: float
) -> None:
    # Where almost nothing changes the interval is known to be conservative.
    rng = random.Random(7)
    truth = (1 - p_before) * p_up - p_before * p_down
    covered, runs = 0, 800
    for _ in range(runs):
        before = [rng.random() < p_before for _ in range(40)]
        after = [rng.random() < (1 - p_down if old else p_up) for old in before]
        covered += paired_difference(before, after).interval.contains(truth)
    assert 0.925 < covered / runs <= most


def test_mean_and_paired_t_equal_scipy() -> None:
    before, after = [0.1, 0.4, -0.2, 0.3, 0.0], [0.5, 0.3, 0.2, 0.9, 0.4]
    expected = scipy_stats.ttest_rel(after, before)
    result = paired_mean_difference(before, after)
    assert result.p == pytest.approx(expected.pvalue)
    assert result.interval.low == pytest.approx(expected.confidence_interval().low)
    single = scipy_stats.ttest_1samp(before, 0).confidence_interval()
    assert mean_estimate(before).interval.high == pytest.approx(single.high)


def test_no_change_at_all_has_p_one_and_no_width() -> None:
    result = paired_mean_difference([1.0, 2.0], [1.0, 2.0])
    assert (result.value, result.p, result.interval) == (0.0, 1.0, Interval(0.0, 0.0))
    # Equal differences are no proof: of four patterns of signs two are as far from zero.
    assert paired_mean_difference([1.0, 2.0], [2.0, 3.0]).p == 0.5
    assert paired_mean_difference([0.0] * 8, [1.0] * 8).p == 2 / 256


@pytest.mark.parametrize(
    ("values", "within"),
    [
        ([0.99, 0.98, 0.99, 0.6], SHARE),  # a probability: its interval went to 1.20
        ([0.0, 0.0, 0.0, 0.0, 0.5], SHARE),
        ([0.0, 0.0, 0.0, 0.2], SHARE),
        ([0.1, 5.0], Range(low=0.0)),  # nats per token: -28.6
        ([1.0, 30.0], Range(low=0.0)),  # words: -168.7
        ([-1.0, 1.0, 1.0], Range(-1.0, 1.0)),
    ],
)
def test_an_interval_holds_only_what_the_measure_can_be(values: list[float], within: Range) -> None:
    ends = mean_estimate(values, within=within).interval
    assert within.low <= ends.low < ends.high <= within.high
    free = mean_estimate(values).interval
    assert not (within.low <= free.low and free.high <= within.high)
    gap = paired_mean_difference([within.low + 0.5] * len(values), values, within=within)
    possible = within.of_difference
    assert possible.low <= gap.interval.low < gap.interval.high <= possible.high


@pytest.mark.parametrize(("value", "n"), [(0.0, 5), (1.0, 5), (0.0, 60), (0.25, 8)])
def test_equal_values_of_a_bounded_measure_have_a_width(value: float, n: int) -> None:
    found = mean_estimate([value] * n, within=SHARE).interval
    assert found.low < value or value == 0.0
    assert found.high > value or value == 1.0
    assert found == SHARE.score(value, n)
    gap = paired_mean_difference([value] * n, [value] * n, within=SHARE)
    assert gap.p == 1.0
    assert gap.interval.low < 0.0 < gap.interval.high


def test_unequal_or_empty_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="same units"):
        mcnemar([True], [True, False])
    with pytest.raises(ValueError, match="at least 1"):
        paired_difference([], [])
    with pytest.raises(ValueError, match="at least 2"):
        paired_mean_difference([1.0], [2.0])


@pytest.mark.parametrize("seed", range(4))
def test_holm_equals_statsmodels(seed: int) -> None:
    p_values = [random.Random(seed + i).random() ** 3 for i in range(2 + 3 * seed)]
    expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(list(expected))


def test_holm_by_hand_keeps_the_order_given() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


def test_importing_stats_loads_neither_numpy_nor_scipy() -> None:
    code = "import sys, anlage.stats.intervals; print({'numpy', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
