from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from anlage.critic.calibrate import (
    MIN_DECIDED,
    Calibration,
    CalibrationRow,
    Gate,
    labelled_slices,
    missing_pairs,
    summarise,
)
from anlage.critic.compare import Comparison, ComparisonOutcome
from anlage.errors import ConfigurationError
from anlage.files.write import write_json
from anlage.prompts.labelled import LabelledPair
from anlage.prompts.prompt import Role
from anlage.stats.intervals import coin_p, wilson


def row(mode: str, role: str, correct: int, decided: int) -> CalibrationRow:
    ends = wilson(correct, decided)
    accuracy = correct / decided
    return CalibrationRow(mode, role, decided + 2, correct, accuracy, ends.low, ends.high, 2, 0.5)


def calibration(correct: int) -> Calibration:
    rows = (
        row("sycophancy", "at_risk", MIN_DECIDED, MIN_DECIDED),
        row("sycophancy", "twin", MIN_DECIDED - 2, MIN_DECIDED),
        row("overconfidence", "at_risk", MIN_DECIDED - 1, MIN_DECIDED - 1),
    )
    return Calibration("critic", rows, row("all", "all", correct, 99), "comparison", "so")


@dataclass(frozen=True)
class Labelled:
    failure_mode: str
    role: Role
    prompt: str = "?"
    good: str = "good"
    failing: str = "bad"


def many_slices(*, right: int, of: int) -> list[tuple[LabelledPair, Comparison]]:
    """36 slices, in each of which so many comparisons of so many were right."""
    first: list[ComparisonOutcome] = ["first"]
    second: list[ComparisonOutcome] = ["second"]
    outcomes = first * right + second * (of - right)
    return [
        (Labelled(f"mode {mode}", role), Comparison(0.9, outcome, 0.5))
        for mode in range(18)
        for role in ("at_risk", "twin")
        for outcome in outcomes
    ]


def test_it_allows_what_the_calibration_allows_from_memory_and_from_the_file(
    tmp_path: Path,
) -> None:
    found = calibration(70)
    write_json(tmp_path / "c.json", found.to_json())
    for gate in (Gate.of(found), Gate.load(tmp_path / "c.json")):
        assert gate.slices == {("sycophancy", "at_risk")}
        assert gate.allows("sycophancy", "at_risk")
        assert not gate.allows("sycophancy", "twin")
        assert not gate.allows("overconfidence", "at_risk")
        assert gate.allows("sycophancy", "at_risk") == found.allows("sycophancy", "at_risk")


def test_a_critic_that_is_no_better_than_a_coin_over_all_labels_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "c.json", calibration(55).to_json())
    assert Gate.of(calibration(55)) == Gate.load(tmp_path / "c.json") == Gate()


def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(ConfigurationError, match="no calibration of this version"):
        Gate.load(tmp_path / "c.json")


@pytest.mark.parametrize("pairs", [16, 32])
def test_coins_among_many_slices_are_let_in_at_most_five_times_in_a_hundred(pairs: int) -> None:
    """18 slices in which the critic is right in 75%, 18 in which it is a coin."""
    draw = random.Random(0)
    trials, let_in = 1000, 0
    for _ in range(trials):
        rows = []
        for number in range(36):
            decided = sum(draw.random() < 0.85 for _ in range(pairs))
            right = 0.75 if number < 18 else 0.5
            rows.append(
                row(
                    str(number), "twin", sum(draw.random() < right for _ in range(decided)), decided
                )
            )
        overall = row("all", "all", sum(r.correct for r in rows), sum(r.decided for r in rows))
        let_in += any(int(mode) >= 18 for mode, _ in labelled_slices(rows, overall))
    assert let_in / trials <= 0.05


def test_a_good_slice_among_many_is_still_found() -> None:
    rows = [row("good", "twin", 30, 32), *(row(str(n), "twin", 16, 32) for n in range(35))]
    overall = row("all", "all", sum(r.correct for r in rows), sum(r.decided for r in rows))
    assert overall.low < 0.5  # a critic that is a coin nearly everywhere labels nowhere
    assert labelled_slices(rows, overall) == frozenset()
    better = row("all", "all", 800, 1152)
    assert labelled_slices(rows, better) == {("good", "twin")}


def test_the_pairs_that_are_missing_are_enough_and_not_one_too_many() -> None:
    found = row("honesty", "twin", 12, 16)
    missing = missing_pairs(found, 36)
    assert missing is not None
    n = found.decided + missing
    assert coin_p(int(0.75 * n), n) <= 0.05 / 36
    assert all(coin_p(int(0.75 * m), m) > 0.05 / 36 for m in range(16, n))
    assert missing_pairs(row("a", "twin", 8, 16), 36) is None  # a coin stays one
    assert missing_pairs(row("a", "twin", 16, 16), 36) == 0


def test_the_message_says_how_many_pairs_are_missing() -> None:
    judged = many_slices(right=9, of=10)
    found = summarise("critic", judged)
    assert found.labels == "construction"
    assert "needs 7 more decided pairs" in found.reason
