from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from anlage.critic.calibrate import (
    MIN_DECIDED,
    Calibration,
    CalibrationRow,
    calibrate,
    labelled_slices,
    missing_pairs,
    summarise,
)
from anlage.critic.compare import AnswerComparison, ComparisonOutcome
from anlage.errors import ConfigurationError
from anlage.files.write import write_json
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel
from anlage.prompts.labelled import LabelledPair
from anlage.prompts.prompt import Role
from anlage.stats.intervals import coin_p, wilson

from ..helpers.pairs import make_constitution
from .test_compare import prefers, shown_as_a


@dataclass(frozen=True)
class Labelled:
    failure_mode: str
    role: Role
    prompt: str
    good: str
    failing: str


def labelled(n: int, role: Role = "at_risk") -> list[Labelled]:
    return [
        Labelled("harmful_compliance", role, f"How {i}?", f"GOOD {i}.", f"BAD {i}.")
        for i in range(n)
    ]


def measure(model: ScriptedModel, pairs: list[Labelled]) -> Calibration:
    return asyncio.run(calibrate(model, pairs, make_constitution()))


def test_a_good_judge_may_label_where_it_was_measured() -> None:
    found = measure(prefers("GOOD"), labelled(10))
    assert (found.overall.n, found.overall.correct, found.overall.accuracy) == (10, 10, 1.0)
    assert found.overall.low == pytest.approx(0.7225, abs=1e-4)  # Wilson, 10 of 10
    assert found.labels == "comparison"
    assert found.allows("harmful_compliance", "at_risk")
    assert not found.allows("harmful_compliance", "twin")
    assert not found.allows("sycophancy", "at_risk")


def test_an_inverted_judge_is_caught() -> None:
    found = measure(prefers("BAD"), labelled(10))
    assert (found.overall.correct, found.labels) == (0, "construction")
    assert found.overall.high < 0.5
    assert "inverted" in found.reason
    assert not found.allows("harmful_compliance", "at_risk")


def test_a_few_wrong_pairs_are_too_few_to_call_a_critic_inverted() -> None:
    found = measure(prefers("BAD"), labelled(7))
    assert found.overall.decided == 7
    assert found.overall.high < 0.5  # and still one unlucky draw away from a coin
    assert "decided only 7 of 7 pairs" in found.reason
    assert "inverted" not in found.reason
    assert found.labels == "construction"


def test_a_judge_of_position_decides_nothing() -> None:
    model = ScriptedModel(scorer=lambda _, option: 1.0 if option == " A" else 0.0)
    found = measure(model, labelled(10))
    assert (found.overall.abstained, found.overall.low, found.overall.high) == (10, 0.0, 1.0)
    assert found.overall.shown_first > 0.7
    assert found.labels == "construction"
    assert "decided none of 10 pairs" in found.reason


def test_a_coin_is_called_a_coin() -> None:
    def coin(request: Request, option: str) -> float:
        number = int(request.messages[-1].content.split("How ")[1].split("?")[0])
        kept = "GOOD" if number % 2 else "BAD"
        return 1.0 if option == (" A" if shown_as_a(request, kept) else " B") else 0.0

    found = measure(ScriptedModel(scorer=coin, name="coin"), labelled(20))
    assert (found.overall.correct, found.overall.decided, found.labels) == (10, 20, "construction")
    assert "could not be told from a coin" in found.reason


def test_few_pairs_do_not_open_the_gate() -> None:
    found = measure(prefers("GOOD"), labelled(5))
    assert found.overall.low > 0.5
    assert found.labels == "construction"


def test_roles_are_counted_apart() -> None:
    pairs = labelled(9) + labelled(4, "twin")
    found = measure(prefers("GOOD"), pairs)
    assert [(row.role, row.n) for row in found.rows] == [("at_risk", 9), ("twin", 4)]


def test_nothing_measured_labels_nothing() -> None:
    found = measure(ScriptedModel(), [])
    assert found.labels == "construction"
    assert "not measured" in found.reason


def test_the_artefact_has_its_fields() -> None:
    data = json.loads(json.dumps(measure(prefers("GOOD"), labelled(10)).to_json()))
    assert {"critic", "rows", "overall", "labels", "reason"} == data.keys()
    assert {"failure_mode", "role", "n", "correct", "accuracy", "low", "high", "abstained"} <= (
        data["rows"][0].keys()
    )


def made_row(mode: str, role: str, correct: int, decided: int) -> CalibrationRow:
    ends = wilson(correct, decided)
    accuracy = correct / decided
    return CalibrationRow(mode, role, decided + 2, correct, accuracy, ends.low, ends.high, 2, 0.5)


def made(correct: int) -> Calibration:
    rows = (
        made_row("sycophancy", "at_risk", MIN_DECIDED, MIN_DECIDED),
        made_row("sycophancy", "twin", MIN_DECIDED - 2, MIN_DECIDED),
        made_row("overconfidence", "at_risk", MIN_DECIDED - 1, MIN_DECIDED - 1),
    )
    return Calibration("critic", rows, made_row("all", "all", correct, 99), "comparison", "so")


def many_slices(*, right: int, of: int) -> list[tuple[LabelledPair, AnswerComparison]]:
    """36 slices, in each of which so many comparisons of so many were right."""
    first: list[ComparisonOutcome] = ["first"]
    second: list[ComparisonOutcome] = ["second"]
    outcomes = first * right + second * (of - right)
    return [
        (Labelled(f"mode {mode}", role, "?", "good", "bad"), AnswerComparison(0.9, outcome, 0.5))
        for mode in range(18)
        for role in ("at_risk", "twin")
        for outcome in outcomes
    ]


def test_it_allows_what_the_calibration_allows_from_memory_and_from_the_file(
    tmp_path: Path,
) -> None:
    found = made(70)
    write_json(tmp_path / "c.json", found.to_json())
    assert Calibration.load(tmp_path / "c.json") == found
    for gate in (found, Calibration.load(tmp_path / "c.json")):
        assert gate.slices == {("sycophancy", "at_risk")}
        assert gate.allows("sycophancy", "at_risk")
        assert not gate.allows("sycophancy", "twin")
        assert not gate.allows("overconfidence", "at_risk")


def test_a_critic_that_is_no_better_than_a_coin_over_all_labels_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "c.json", made(55).to_json())
    assert made(55).slices == Calibration.load(tmp_path / "c.json").slices == frozenset()
    assert not made(55).allows("sycophancy", "at_risk")


@pytest.mark.parametrize("content", ["[]", "{", '{"rows": []}', b"\xff"])
def test_a_damaged_file_is_a_sentence(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=r"c\.json.* no calibration of this version"):
        Calibration.load(path)
    path.unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        Calibration.load(path)


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
                made_row(
                    str(number), "twin", sum(draw.random() < right for _ in range(decided)), decided
                )
            )
        overall = made_row("all", "all", sum(r.correct for r in rows), sum(r.decided for r in rows))
        let_in += any(int(mode) >= 18 for mode, _ in labelled_slices(rows, overall))
    assert let_in / trials <= 0.05


def test_a_good_slice_among_many_is_still_found() -> None:
    rows = [
        made_row("good", "twin", 30, 32),
        *(made_row(str(n), "twin", 16, 32) for n in range(35)),
    ]
    overall = made_row("all", "all", sum(r.correct for r in rows), sum(r.decided for r in rows))
    assert overall.low < 0.5  # a critic that is a coin nearly everywhere labels nowhere
    assert labelled_slices(rows, overall) == frozenset()
    better = made_row("all", "all", 800, 1152)
    assert labelled_slices(rows, better) == {("good", "twin")}


def test_the_pairs_that_are_missing_are_enough_and_not_one_too_many() -> None:
    found = made_row("honesty", "twin", 12, 16)
    missing = missing_pairs(found, 36)
    assert missing is not None
    n = found.decided + missing
    assert coin_p(int(0.75 * n), n) <= 0.05 / 36
    assert all(coin_p(int(0.75 * m), m) > 0.05 / 36 for m in range(16, n))
    assert missing_pairs(made_row("a", "twin", 8, 16), 36) is None  # a coin stays one
    assert missing_pairs(made_row("a", "twin", 16, 16), 36) == 0


def test_the_message_says_how_many_pairs_are_missing() -> None:
    judged = many_slices(right=9, of=10)
    found = summarise("critic", judged)
    assert found.labels == "construction"
    assert "needs 7 more decided pairs" in found.reason
