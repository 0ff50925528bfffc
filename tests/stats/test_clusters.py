"""Rates and differences of several answers to one request: coverage, edges, tests."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from anlage.stats.clusters import (
    clustered_difference,
    clustered_mean,
    clustered_rate,
    group_by,
    sign_flip_p,
)
from anlage.stats.intervals import SHARE, Range, wilson

from .test_simulation import benchmark


@pytest.mark.parametrize("answer", [0.0, 1.0])
def test_five_requests_answered_alike_are_five_observations(answer: float) -> None:
    found = clustered_rate([[answer] * 3] * 5)
    expected = wilson(int(5 * answer), 5)
    assert (found.value, found.n) == (answer, 15)
    assert (found.interval.low, found.interval.high) == (expected.low, expected.high)


def test_independent_answers_count_each_and_equal_ones_by_request() -> None:
    rng = np.random.default_rng(0)
    free = (rng.random((200, 3)) < 0.4).astype(float)
    tied = np.repeat((rng.random((200, 1)) < 0.4).astype(float), 3, axis=1)
    for table, n in ((free, 600), (tied, 200)):
        found = clustered_rate(table.tolist())
        like = wilson(round(found.value * n), n)
        width = found.interval.high - found.interval.low
        assert width == pytest.approx(like.high - like.low, rel=0.1)


@pytest.mark.parametrize("p", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_a_clustered_rate_covers_at_the_edges(p: float) -> None:
    """Mean over requests and correlation 93 to 97%; at 0 and 1 the interval always holds.

    A discrete outcome cannot have 95% everywhere: near 0 and 1 the mean may be a point
    higher, and single cells lie from 90% on.
    """
    rng, cells = np.random.default_rng(1), []
    draw = benchmark().answers
    for requests, alike in product((5, 10, 20, 48, 100), (0.0, 0.3, 0.7, 1.0)):
        held = [
            clustered_rate(draw(rng, p, requests, alike).tolist()).interval.contains(p)
            for _ in range(200)
        ]
        cells.append(np.mean(held))
    if p in (0.0, 1.0):
        assert min(cells) == 1.0
    else:
        assert 0.93 <= np.mean(cells) <= 0.985
        assert min(cells) > 0.87  # 200 runs a cell


def test_nothing_changed_is_no_proof_that_nothing_changes() -> None:
    groups = [[1.0] * 3] * 5
    found = clustered_difference(groups, groups, within=SHARE, is_rate=True)
    assert (found.value, found.p) == (0.0, 1.0)
    assert found.interval.low < -0.3
    mixed = [[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]] * 5
    same = clustered_difference(mixed, mixed, within=SHARE, is_rate=True)
    assert same.interval.low < 0.0 < same.interval.high


def test_everything_changed_in_five_requests_is_not_quite_proof() -> None:
    found = clustered_difference([[0.0] * 3] * 5, [[1.0] * 3] * 5, within=SHARE, is_rate=True)
    assert found.value == 1.0
    assert found.interval.high == 1.0
    assert 0.3 < found.interval.low < 0.5
    assert found.p == pytest.approx(2 / 2**5, abs=0.015)


def test_means_over_groups_are_the_t_test_over_requests() -> None:
    before, after = [[0.1, 0.3], [0.2, 0.2], [0.5, 0.3]], [[0.2, 0.4], [0.6, 0.4], [0.6, 0.6]]
    found = clustered_difference(before, after, within=SHARE, is_rate=False)
    assert found.value == pytest.approx((0.1 + 0.3 + 0.2) / 3)
    value = clustered_mean([[1.0, 3.0], [40.0, 0.0]], within=Range(low=0.0))
    assert (value.value, value.interval.low, value.n) == (11.0, 0.0, 4)


def test_sign_flips_by_hand() -> None:
    # Three groups, all up by 1: of the 8 sign patterns 2 are as far from zero.
    assert sign_flip_p([1.0] * 3, resamples=20_000) == pytest.approx(0.25, abs=0.015)
    assert sign_flip_p([1.0, -1.0] * 5) == 1.0


def test_groups_come_in_order_of_appearance() -> None:
    assert group_by(["b", "a", "b"], [1.0, 2.0, 3.0]) == [[1.0, 3.0], [2.0]]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([[1.0]], [[1.0]], "at least 2 groups"),
        ([[1.0], [0.0]], [[1.0], [0.0, 1.0]], "same units"),
        ([[1.0], []], [[1.0], []], "empty"),
        ([[1.0], [2.0]], [[1.0], [0.0]], r"in \[0, 1\]"),
        ([[1.0], [float("nan")]], [[1.0], [0.0]], "finite"),
    ],
)
def test_it_refuses_what_it_cannot_use(
    before: list[list[float]], after: list[list[float]], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        clustered_difference(before, after, within=SHARE, is_rate=True)
