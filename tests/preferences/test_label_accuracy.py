"""Labels by construction: counted the right way round, and trained only where they earn it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from anlage.errors import OutcomeError, PairError
from anlage.llm.message import Message
from anlage.llm.request import Outcome
from anlage.preferences.builders.attempt import BuildResult
from anlage.preferences.builders.labelling import PREFERS_REJECTED
from anlage.preferences.dataset import Pairs
from anlage.preferences.label_accuracy import (
    ENOUGH,
    Said,
    Standing,
    advice,
    by_check,
    checked,
    earned,
    effect,
    reviewed,
    sentence,
    standings,
)
from anlage.preferences.ledger import collect
from anlage.preferences.pair import Pair
from anlage.preferences.selection import Trust
from anlage.preferences.settings import PairSettings
from anlage.prompts.check import Check, Condition
from anlage.prompts.prompt import Prompt
from anlage.stats.intervals import Rate, wilson

KEEPS = "Seven times eight makes fifty-six, so your number is not right."
FAILS = "Yes, you are right, seven times eight makes fifty-four."
VAGUE = "Seven times eight is a sum from the table that children learn."
ASKED = "I say that seven times eight makes fifty-four, ok?"
CHECK = Check(
    fails=(Condition(affirms=("fifty-four",)),),
    keeps=(Condition(affirms=("fifty-six",)),),
    failing=(FAILS,),
    keeping=(KEEPS,),
)
LOOSE = PairSettings(max_failed_share=1.0)


def make_pair(number: int, chosen: str = KEEPS, rejected: str = FAILS, **more: object) -> Pair:
    pair = Pair(
        prompt_id=f"p-{number}",
        prompt=(Message("user", ASKED),),
        chosen=chosen,
        rejected=rejected,
        p_chosen=0.95,
        weight=1.0,
        principles=("sage/fact",),
        failure_mode="sycophancy",
        role="at_risk",
        builder="critique_revise",
        round=0,
        calls={},
    )
    return replace(pair, **more)  # type: ignore[arg-type]


def make_prompt(pair: Pair) -> Prompt:
    return Prompt(
        id=pair.prompt_id,
        messages=pair.prompt,
        cues=(),
        failure_mode="sycophancy",
        role="at_risk",
        twin="t",
        split="train",
        topic="sums",
        form="statement",
    )


def built(*pairs: Pair) -> BuildResult:
    rows = [(pair.prompt_id, "sage/fact", Outcome("ok")) for pair in pairs]
    return BuildResult(Pairs(pairs), collect(rows))


def held(result: BuildResult, *, settings: PairSettings = LOOSE, every: bool = True) -> BuildResult:
    prompts = [make_prompt(pair) for pair in result.pairs]
    return checked(result, prompts, {p.id: CHECK for p in prompts} if every else {}, settings)


@pytest.mark.parametrize(
    ("chosen", "rejected", "found"),
    [
        (KEEPS, FAILS, "right"),
        (KEEPS, VAGUE, "right"),
        (FAILS, KEEPS, "wrong"),
        (FAILS, VAGUE, "wrong"),
        (VAGUE, KEEPS, "wrong"),
        (KEEPS, KEEPS + " Really.", "wrong"),
        (VAGUE, FAILS, "undecided"),
        (VAGUE, VAGUE + " It is dull.", "undecided"),
    ],
)
def test_a_label_is_right_only_where_chosen_keeps_and_rejected_does_not(
    chosen: str, rejected: str, found: str
) -> None:
    assert by_check(make_pair(1, chosen, rejected), CHECK)[0] == found


def test_exchanging_the_answers_or_the_sides_of_a_check_turns_the_verdict() -> None:
    turned = replace(CHECK, fails=CHECK.keeps, keeps=CHECK.fails)
    assert by_check(make_pair(1), CHECK)[0] == by_check(make_pair(1, FAILS, KEEPS), turned)[0]
    assert by_check(make_pair(1), turned)[0] == "wrong"
    assert by_check(make_pair(1, FAILS, KEEPS), CHECK)[0] == "wrong"


def test_a_pair_that_its_check_calls_wrong_is_an_outcome_of_its_own_and_no_pair() -> None:
    inverted, fine, vague = make_pair(1, FAILS, KEEPS), make_pair(2), make_pair(3, VAGUE)
    result = held(built(inverted, fine, vague))
    assert [(pair.prompt_id, pair.label) for pair in result.pairs] == [
        ("p-2", "check"),
        ("p-3", "construction"),
    ]
    assert result.outcomes.by_kind == {"mislabelled": 1, "ok": 2}
    assert result.outcomes.failed == 1
    data = json.loads(json.dumps(result.outcomes.to_json()))
    first = data["attempts"][0]
    assert first["reason"] == "chosen fails and rejected keeps by the prompt's check"
    assert (first["chosen"], first["rejected"]) == (FAILS, KEEPS)
    counts = {"right": 1, "undecided": 1, "wrong": 1}
    assert data["labels"] == {"sycophancy": {"check": counts}}
    assert [pair.id for pair in result.pairs] == [fine.id, vague.id]


def test_mislabelled_attempts_count_among_the_failed() -> None:
    result = built(make_pair(1, FAILS, KEEPS), make_pair(2, FAILS, KEEPS), make_pair(3))
    with pytest.raises(OutcomeError, match=r"2 x mislabelled: chosen fails and rejected keeps"):
        held(result, settings=PairSettings(max_failed_share=0.5))


def test_a_gated_critic_counts_and_an_ungated_one_does_not() -> None:
    pairs = [make_pair(1, label="comparison"), make_pair(2, label="comparison"), make_pair(3)]
    result = built(*pairs)
    lost = replace(result.outcomes.attempts[2], outcome=Outcome("filtered", PREFERS_REJECTED))
    attempts = (*result.outcomes.attempts[:2], lost)
    result = BuildResult(Pairs(pairs[:2]), replace(result.outcomes, attempts=attempts))
    prompts = [make_prompt(pair) for pair in pairs]
    gated = checked(result, prompts, {}, LOOSE).outcomes.labels
    assert gated == {"sycophancy": {"critic": {"right": 2, "wrong": 1}}}
    ungated = LOOSE.model_copy(update={"labels": "comparison"})
    assert checked(result, prompts, {}, ungated).outcomes.labels == {}


def test_without_checks_nothing_is_changed() -> None:
    result = built(make_pair(1, FAILS, KEEPS), make_pair(2))
    after = held(result, every=False)
    assert (after.pairs, after.outcomes) == (result.pairs, result.outcomes)
    assert "labels" not in after.outcomes.to_json()


@pytest.mark.parametrize(
    ("right", "n", "enough"),
    [(9, 9, True), (14, 15, True), (19, 20, True), (8, 8, False), (13, 14, False), (18, 20, False)],
)
def test_the_bound_is_the_lower_wilson_end(right: int, n: int, enough: bool) -> None:
    assert (wilson(right, n).low >= ENOUGH) is enough
    assert (table(right, n - right)[0].action == "trained") is enough


def table(
    right: int, wrong: int, trust: Trust = "measured", said: Mapping[str, Said] | None = None
) -> list[Standing]:
    tallies = {"sycophancy": {"check": {"right": right, "wrong": wrong, "undecided": 3}}}
    return standings([make_pair(1), make_pair(2, label="check")], tallies, said or {}, trust)


@pytest.mark.parametrize(
    ("right", "wrong", "actions"),
    [
        (0, 0, ("unmeasured", "unmeasured", "left out", "unmeasured")),
        (19, 1, ("trained", "trained", "trained", "trained")),
        (6, 4, ("left out", "weighed", "left out", "trained")),
        (4, 6, ("left out", "left out", "left out", "trained")),
    ],
)
def test_what_becomes_of_a_mode(right: int, wrong: int, actions: tuple[str, ...]) -> None:
    found = [table(right, wrong, trust)[0].action for trust in get_args(Trust)]
    assert tuple(found) == actions


def test_what_is_left_out_weighed_or_reviewed_away() -> None:
    pairs = [make_pair(1), make_pair(2, label="check"), make_pair(3)]
    said: dict[str, Said] = {pairs[2].id: "rejected"}
    bad = table(6, 4)
    assert [p.prompt_id for p in earned(pairs, bad, {}, "measured")] == ["p-2"]
    weighed = earned(pairs, table(6, 4, "weighed"), {}, "weighed")
    assert [pair.p_chosen for pair in weighed] == [0.6, 0.95, 0.6]
    good = table(19, 1)
    assert earned(pairs, good, {}, "measured") == Pairs(pairs)
    assert [p.prompt_id for p in earned(pairs, good, said, "measured")] == ["p-1", "p-2"]
    assert earned(pairs, good, said, "all") == Pairs(pairs)
    with pytest.raises(PairError, match=r"no pair has a label that earned its place"):
        earned([pairs[0]], bad, {}, "measured")
    assert effect(good, {}) == []
    assert effect(bad, {}) == [["sycophancy", "left out", None]]


def test_reviewers_count_for_labels_by_construction_and_are_pooled_over_one_mode() -> None:
    pairs = [make_pair(n, principles=(f"a/p{n}",), builder=f"b{n % 2}") for n in range(12)]
    other = make_pair(20, failure_mode="deception")
    said: dict[str, Said] = {pair.id: "chosen" for pair in pairs[:9]}
    said |= {pairs[9].id: "tie"}
    found = {one.mode: one for one in standings([*pairs, other], {}, said, "measured")}
    assert found["sycophancy"].rate == Rate(9, 9)
    tallies = {"sycophancy": {"check": {"right": 3, "wrong": 1}}}
    both = standings(pairs, tallies, said, "measured")[0]
    assert (both.rate, both.sources) == (Rate(12, 13), ("checks (4)", "reviewers (9)"))
    assert found["sycophancy"].action == "trained"
    assert found["deception"].action == "unmeasured"
    turned: dict[str, Said] = {pair.id: "rejected" for pair in pairs[:9]}
    assert standings(pairs, {}, turned, "weighed")[0].action == "left out"


def test_the_words_say_how_many_are_missing_and_which_command() -> None:
    found = table(0, 0)
    assert found[0].missing == 9
    assert advice(found, Path("runs/x")) == [
        "sycophancy: 9 reviewed pairs are missing if all turn out right, and 1 of this run can "
        "be reviewed: anlage review runs/x --mode sycophancy --out sycophancy.csv"
    ]
    assert "nobody measured sycophancy (1), trained as they are" in sentence(found)
    bad = table(6, 4)
    assert "6 of 10 right by checks (95% 31 to 83), pairs left out: 1" in sentence(bad)
    assert advice(table(19, 1), Path("x")) == []
    lonely = standings(
        [make_pair(1), make_pair(2, failure_mode="paternalism")],
        {"paternalism": {"check": {"right": 1, "wrong": 3}}},
        {},
        "measured",
    )
    assert "look for more paternalism after training" in sentence(lonely)


def test_where_two_sheets_disagree_the_doubt_counts(tmp_path: Path) -> None:
    (tmp_path / "review").mkdir()
    for name, word in (("a", "chosen"), ("b", "rejected"), ("c", "chosen")):
        file = tmp_path / "review" / f"{name}.labels.json"
        file.write_text(json.dumps({"labels": {"x": word, name: "chosen"}}))
    assert reviewed(tmp_path) == {"x": "rejected", "a": "chosen", "b": "chosen", "c": "chosen"}
    (tmp_path / "review" / "d.labels.json").write_text("[]")
    with pytest.raises(PairError, match=r"d\.labels\.json"):
        reviewed(tmp_path)
