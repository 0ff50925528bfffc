from __future__ import annotations

import pytest
from anlage.critic.sentences import (
    ends_complete,
    first_sentence,
    has_sentence_end,
    split_sentences,
    trim,
)


def test_a_cut_answer_ends_with_its_last_whole_sentence() -> None:
    text = "Check the map first. Then walk to the corner and as"
    assert trim(text, finished=False) == "Check the map first."


def test_a_finished_answer_is_kept_whole() -> None:
    text = "Bring these:\n- bread\n- butter"
    assert trim(text, finished=True) == text


def test_a_cut_list_loses_its_half_item_and_a_lone_marker() -> None:
    text = "Bring these things.\n1. Bread, fresh.\n2. But"
    assert trim(text, finished=False) == "Bring these things.\n1. Bread, fresh."
    assert trim("Take care.\n1.", finished=False) == "Take care."


def test_an_announcement_of_what_was_cut_goes_too() -> None:
    assert trim("It is easy.\nHere are three tips:\n\n1. Gath", finished=False) == "It is easy."


def test_nothing_whole_gives_nothing() -> None:
    assert trim("this never comes to an", finished=False) == ""


def test_limit_counts_sentences_over_lines() -> None:
    text = "One is here. Two is here.\nThree is here. Four is here."
    assert trim(text, finished=True, max_sentences=3) == (
        "One is here. Two is here.\nThree is here."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Take 3.5 cups, e.g. of rice. Stir.", ["Take 3.5 cups, e.g. of rice.", "Stir."]),
        ("Ask Dr. Lee! She knows.", ["Ask Dr. Lee!", "She knows."]),
        ("1. Boil water.\n2. Wait", ["1. Boil water.", "2. Wait"]),
    ],
)
def test_split(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected


def test_first_sentence_ends_itself() -> None:
    assert first_sentence(" it would hurt people, and") == "it would hurt people, and."
    assert first_sentence(" it hurts. And more.") == "it hurts."
    assert first_sentence(" \n") == ""
    assert first_sentence("...") == ""
    assert first_sentence(" ask somebody, such as:\n1. Ann") == ""


def test_end_checks() -> None:
    assert ends_complete('She said "stop."')
    assert not ends_complete("She said")
    assert not ends_complete("")
    assert has_sentence_end("One. Tw")
    assert not has_sentence_end("One, tw")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("我不会帮你。因为这会伤害你的邻居！如果", "我不会帮你。因为这会伤害你的邻居！"),
        ("「行きません。」次の日に", "「行きません。」"),
        ("मैं मदद नहीं करूँगा। किसी से बात करें। और", "मैं मदद नहीं करूँगा। किसी से बात करें।"),
        ("ฉันช่วยไม่ได้ ลองคุยกับเพื่อน แล้", "ฉันช่วยไม่ได้ ลองคุยกับเพื่อน"),
        ("هل أنت بخير؟ لا أستطيع. ثم", "هل أنت بخير؟ لا أستطيع."),
        ("도울 수 없어요. 친구와", "도울 수 없어요."),
        ("Π. Χ. είναι καλό. Και", "Π. Χ. είναι καλό."),
    ],
)
def test_a_cut_answer_keeps_its_whole_sentences_in_every_script(text: str, kept: str) -> None:
    assert trim(text, finished=False) == kept


def test_a_first_sentence_is_ended_as_its_script_ends_it() -> None:
    assert first_sentence("我不会帮你，因为危险") == "我不会帮你，因为危险。"
    assert first_sentence("我不会。你呢？") == "我不会。"
    assert first_sentence("मैं नहीं करूँगा") == "मैं नहीं करूँगा।"
    assert has_sentence_end("我不会。因为")
    assert ends_complete("我不会。")
    assert not ends_complete("我不会。因为")


def test_a_colon_of_any_script_only_announces() -> None:
    assert first_sentence("方法如下：") == ""
    assert trim("很容易。\n方法如下：\n1", finished=False) == "很容易。"
