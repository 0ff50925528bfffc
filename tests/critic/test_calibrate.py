from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from anlage.critic.calibrate import MIN_DECIDED, Calibration, CalibrationRow, calibrate
from anlage.errors import ConfigurationError
from anlage.files.write import write_json
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel
from anlage.prompts.prompt import Role

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


def made_row(mode: str, role: str, low: float, decided: int) -> CalibrationRow:
    return CalibrationRow(mode, role, decided + 2, decided, 1.0, low, 1.0, 2, 0.5)


def made(overall: float) -> Calibration:
    rows = (
        made_row("sycophancy", "at_risk", 0.6, MIN_DECIDED),
        made_row("sycophancy", "twin", 0.4, MIN_DECIDED),
        made_row("overconfidence", "at_risk", 0.6, MIN_DECIDED - 1),
    )
    return Calibration("critic", rows, made_row("all", "all", overall, 99), "comparison", "so")


def test_it_allows_what_the_calibration_allows_from_memory_and_from_the_file(
    tmp_path: Path,
) -> None:
    found = made(0.7)
    write_json(tmp_path / "c.json", found.to_json())
    assert Calibration.load(tmp_path / "c.json") == found
    for gate in (found, Calibration.load(tmp_path / "c.json")):
        assert gate.slices == {("sycophancy", "at_risk")}
        assert gate.allows("sycophancy", "at_risk")
        assert not gate.allows("sycophancy", "twin")
        assert not gate.allows("overconfidence", "at_risk")


def test_a_critic_that_is_no_better_than_a_coin_over_all_labels_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "c.json", made(0.5).to_json())
    assert made(0.5).slices == Calibration.load(tmp_path / "c.json").slices == frozenset()
    assert not made(0.5).allows("sycophancy", "at_risk")


@pytest.mark.parametrize("content", ["[]", "{", '{"rows": []}', b"\xff"])
def test_a_damaged_file_is_a_sentence(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=r"c\.json.* no calibration of this version"):
        Calibration.load(path)
    path.unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        Calibration.load(path)
