"""Annotated pairs: sides, votes and fields survive; what does not is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anlage.archetypes.loader import LIBRARY
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.principle import Principle
from anlage.errors import ConfigurationError
from anlage.llm.message import Message
from anlage.preferences.dataset import Pairs
from anlage.preferences.interchange.annotated_pairs import (
    DEFAULT_ANNOTATOR,
    from_annotated_pairs,
    principles_of,
    to_annotated_pairs,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.annotated_pairs import RULE, foreign, make_pair

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@pytest.fixture(scope="module")
def principles() -> tuple[Principle, ...]:
    return compile_constitution(LIBRARY / "guardian.yaml").principles


def test_our_pairs_come_back_whole_from_disk(
    principles: tuple[Principle, ...], tmp_path: Path
) -> None:
    turns = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hi."))
    pairs = [
        make_pair(0),
        make_pair(1, prompt=(*turns, Message("user", "User: well?")), round=0, role="at_risk"),
        make_pair(2, label="comparison", p_chosen=1.0, principles=()),
    ]
    data, lost = to_annotated_pairs(pairs, principles, name="run")
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    read, unkept = from_annotated_pairs(json.loads(path.read_text(encoding="utf-8")), "x")
    assert (read, unkept) == (pairs, [])
    assert any("one text" in sentence for sentence in lost)
    saved = Pairs(read).save(tmp_path / "pairs.jsonl")
    assert list(Pairs.load(saved)) == pairs


@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=5), st.floats(0.5, 1.0))
@settings(max_examples=60, deadline=None)
def test_any_words_keep_their_side(rows: list[tuple[str, str, str]], p_chosen: float) -> None:
    pairs = {
        pair.id: pair
        for number, (asked, good, bad) in enumerate(rows)
        if good != bad
        for pair in [
            make_pair(
                number,
                prompt=(Message("user", asked),),
                chosen=good,
                rejected=bad,
                p_chosen=p_chosen,
                principles=(),
            )
        ]
    }
    if pairs:
        data, _ = to_annotated_pairs(list(pairs.values()), [], name="run")
        assert from_annotated_pairs(json.loads(json.dumps(data)), "x")[0] == list(pairs.values())


def test_the_preference_points_at_the_chosen_answer(principles: tuple[Principle, ...]) -> None:
    pairs = [make_pair(number) for number in range(40)]
    data, _ = to_annotated_pairs(pairs, principles, name="run")
    sides = []
    (vote,) = [key for key in data["annotators"] if key != DEFAULT_ANNOTATOR]
    assert data["annotators"][vote]["type"] == "principle"
    for pair, row in zip(pairs, data["comparisons"], strict=True):
        side = row["annotations"][DEFAULT_ANNOTATOR]["pref"]
        assert row[f"response_{side}"]["text"] == pair.chosen
        assert row["annotations"][vote] == {"pref": side}
        sides.append(side)
    assert 8 < sides.count("a") < 32  # the side says nothing


def test_the_same_pairs_give_the_same_text(principles: tuple[Principle, ...]) -> None:
    pairs = [make_pair(number) for number in range(3)]
    once, again = (to_annotated_pairs(pairs, principles, name="run") for _ in range(2))
    assert json.dumps(once) == json.dumps(again)


def test_a_principle_the_constitution_lacks_is_listed() -> None:
    _, lost = to_annotated_pairs([make_pair()], [], name="run")
    assert f"votes of principles the constitution lacks: {RULE}" in lost


def test_a_foreign_file_is_read_by_its_default_annotator() -> None:
    (pair,), lost = from_annotated_pairs(foreign(), "tea.json")
    assert (pair.chosen, pair.rejected) == ("Three minutes.", "It depends on the leaf.")
    assert (pair.prompt_id, pair.p_chosen, pair.label) == ("c1", 1.0, "comparison")
    assert (pair.builder, pair.failure_mode, pair.weight) == ("external", "", 1.0)
    assert lost == [
        "1 other annotators",
        "1 names of models that answered",
        "1 votes of principles without a name",
        "failure modes and roles: the file says none, so none can be reported on",
    ]


def test_swapping_the_preference_swaps_the_pair() -> None:
    data = foreign()
    data["comparisons"][0]["annotations"]["aa"] = {"pref": "a"}
    (pair,), _ = from_annotated_pairs(data, "tea.json")
    assert (pair.chosen, pair.rejected) == ("It depends on the leaf.", "Three minutes.")


def test_a_named_principle_counts_where_it_agrees_only() -> None:
    data = foreign()
    data["annotators"]["bb"]["name"] = "tea/short"
    (pair,), lost = from_annotated_pairs(data, "tea.json")
    assert pair.principles == ()
    assert "1 votes against the label" in lost
    data["comparisons"][0]["annotations"]["bb"] = {"pref": "b"}
    (pair,), lost = from_annotated_pairs(data, "tea.json")
    assert pair.principles == ("tea/short",)
    assert not any("votes" in sentence for sentence in lost)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"annotations": {"aa": {"pref": None}}}, "without a preference"),
        ({"annotations": {"aa": {"pref": "neither"}}}, "without a preference"),
        ({"annotations": None}, "not in the form of a comparison"),
        ({"response_a": {"text": None}}, "an answer has no text (its data set may be separate)"),
        ({"response_a": {"text": "Three minutes."}}, "both answers are the same"),
        ({"prompt": None}, "no prompt"),
        ({}, "the same comparison again"),
    ],
)
def test_comparisons_that_are_no_pairs_are_counted(change: dict[str, Any], reason: str) -> None:
    data = foreign()
    data["comparisons"] += [{**data["comparisons"][0], **change}, 3]
    pairs, lost = from_annotated_pairs(data, "tea.json")
    assert len(pairs) == 1
    expected = {reason, "not in the form of a comparison"}
    counted = {s.split(": ", 1)[1] for s in lost if " comparisons: " in s}
    assert counted == expected


@pytest.mark.parametrize("value", ["much", 3, "inf", "-1"])
def test_damaged_fields_of_ours_are_refused(value: object) -> None:
    data, _ = to_annotated_pairs([make_pair(0), make_pair(1)], [], name="run")
    data["comparisons"][0]["metadata"]["weight"] = value
    pairs, lost = from_annotated_pairs(data, "x")
    assert [pair.prompt_id for pair in pairs] == ["harm-train-001-t"]
    assert lost[0].startswith("1 comparisons: ")
    assert "weight" in lost[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "not an object"),
        (foreign(comparisons=None), "`comparisons` is missing"),
        (foreign(metadata={"version": "1.0"}), "version 1.0"),
        (foreign(metadata={"version": "2.0", "default_annotator": []}), "default annotator"),
        (foreign(comparisons=[]), "no comparison has a preference"),
    ],
)
def test_other_forms_are_refused(data: object, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        from_annotated_pairs(data, "tea.json")


def test_principles_among_the_annotators_become_rules() -> None:
    found = principles_of(foreign(), "tea.json")
    assert [rule.text for rule in found.rules] == ["Select the shorter answer."]
    assert found.lost == ("1 comparisons; import to .jsonl keeps them",)
    with pytest.raises(ConfigurationError, match="no annotator is a principle"):
        principles_of(foreign(annotators={"aa": {}}), "tea.json")
