"""A change says no more than its interval and test, and turns round with its measure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from anlage.evaluation.change import Change, changes, compare
from anlage.evaluation.measure import HARM, Measure

from ..helpers.evaluation import two_models

BEFORE = {f"p{k}": 0.0 for k in range(40)}
AFTER = {f"p{k}": float(k < 30) for k in range(40)}


def change_of(measure: Measure, *, back: bool = False) -> Change:
    found = compare(measure, *((AFTER, BEFORE) if back else (BEFORE, AFTER)))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("good", "rise", "fall"),
    [
        ("higher", "better", "worse"),
        ("lower", "worse", "better"),
        ("", "unclear", "unclear"),
    ],
)
def test_the_verdict_follows_the_good_direction(good: str, rise: str, fall: str) -> None:
    measure = Measure("matching", suite="power", good=good)  # type: ignore[arg-type]
    up, down = change_of(measure), change_of(measure, back=True)
    assert (up.direction, up.verdict) == ("rose", rise)
    assert (down.direction, down.verdict) == ("fell", fall)
    assert up.difference.value == -down.difference.value == 0.75


def test_nothing_is_claimed_without_the_adjusted_test() -> None:
    change = change_of(Measure("defended", HARM, "at_risk"))
    assert change.verdict == "better"
    assert replace(change, p_holm=0.05).verdict == "unclear"
    assert replace(change, p_holm=float("nan")).verdict == "unclear"


def test_a_rate_of_a_run_needs_one_shared_unit_and_a_mean_two() -> None:
    one = {"p0": 1.0}
    assert compare(Measure("defended"), one, one) is not None
    assert compare(Measure("repetition"), one, one) is None
    assert compare(Measure("defended", suite="s"), one, one) is None
    assert compare(Measure("defended"), one, {"other": 1.0}) is None


def test_the_file_form_keeps_its_fields_and_their_order() -> None:
    result = two_models()
    form = result.changes("trained")[0].form()
    assert list(form) == ["measure", "before", "after", "difference", "p_holm"]
    assert form["measure"] == {
        "family": "harm",
        "name": "defended",
        "failure_mode": HARM,
        "role": "at_risk",
    }
    assert list(form["measure"]) == ["family", "name", "failure_mode", "role"]
    assert list(form["difference"]) == ["value", "interval", "n", "p", "method"]


def test_what_training_aimed_at_is_marked_in_a_run_too() -> None:
    base, trained = two_models().models
    aimed = {c.measure.name: c.aimed for c in changes(base, trained)}
    assert aimed["defended"]
    assert not aimed["repetition"]
