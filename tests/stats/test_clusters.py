"""Rates and differences of several answers to one request: coverage, edges, tests."""

from __future__ import annotations

from collections import Counter
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


def coverage(p: float, requests: int, alike: float, runs: int) -> float:
    """Share of drawn tables of three answers a request whose interval holds p."""
    rng, draw = np.random.default_rng(requests), benchmark().answers
    tables: Counter[tuple[int, ...]] = Counter()
    for _ in range(runs):
        right = draw(rng, p, requests, alike).sum(axis=1).astype(int)
        tables[tuple(np.bincount(right, minlength=4).tolist())] += 1
    held = 0
    for counts, times in tables.items():
        groups = [
            [1.0] * right + [0.0] * (3 - right)
            for right, count in enumerate(counts)
            for _ in range(count)
        ]
        held += times * clustered_rate(groups).interval.contains(p)
    return held / runs


@pytest.mark.parametrize("p", [0.02, 0.5, 0.98])
def test_a_clustered_rate_covers_at_the_edges(p: float) -> None:
    """30 to 300 answers, three a request, from independent to all alike: 93 to 97%.

    A discrete outcome has no coverage between two of its values: with 30 answers at 2%, an
    interval holds it in 88 or in 98% of all tables. Where less than one group is expected to hold
    the rarer outcome, cells may lie above 97%; none lies below 93%. Both but for the noise of
    2,000 tables.
    """
    runs, cells = 2000, {}
    for requests, alike in product((10, 20, 40, 70, 100), (0.0, 0.3, 0.7, 1.0)):
        cells[requests, alike] = coverage(p, requests, alike, runs)
    assert 0.93 <= np.mean(list(cells.values())) <= 0.97
    noise = 2.5 * (0.05 * 0.95 / runs) ** 0.5
    assert min(cells.values()) >= 0.93 - noise
    for (requests, _), share in cells.items():
        assert share <= (0.97 + noise if requests * min(p, 1 - p) >= 1 else 0.995)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_at_0_and_1_the_interval_always_holds(p: float) -> None:
    """All answers are alike there, and the interval begins at their share: 100% by nature."""
    for requests, alike in product((10, 20, 40, 70, 100), (0.0, 0.3, 0.7, 1.0)):
        assert coverage(p, requests, alike, 20) == 1.0


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
