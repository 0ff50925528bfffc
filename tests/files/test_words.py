from __future__ import annotations

import re

import pytest
from anlage.files.words import full_stop, grams, terms, words
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't go — it’s 5 o'clock.", ["Don't", "go", "it’s", "5", "o'clock"]),
        ("请不要去那里。", ["请不", "要去", "那里"]),
        ("行きません", ["行き", "ませ", "ん"]),
        ("मैं इसमें मदद नहीं करूँगा।", ["मैं", "इसमें", "मदद", "नहीं", "करूँगा"]),
        ("나는 도울 수 없어요", ["나는", "도울", "수", "없어요"]),
        ("لا أستطيع المساعدة", ["لا", "أستطيع", "المساعدة"]),
        ("用 Python3 写", ["用", "Python3", "写"]),
        ("Python写", ["Python", "写"]),
    ],
)
def test_words_by_script(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_signs_stay_with_their_letter_in_thai() -> None:
    found = words("ฉันไม่สามารถช่วยคุณได้")
    assert "".join(found) == "ฉันไม่สามารถช่วยคุณได้"
    assert len(found) == 5
    assert all(re.match(r"\w", word) for word in found)


@given(st.text(alphabet="abcdefg '’.,\nXYZ0123éß", max_size=60))
def test_text_with_spaces_has_the_words_of_the_pattern(text: str) -> None:
    assert words(text) == re.findall(r"[\w'’]+", text)
    assert terms(text, r"\w+(?:['’]\w+)?") == re.findall(r"\w+(?:['’]\w+)?", text)
    tokens = words(text)
    assert grams(text, 3) == list(zip(tokens, tokens[1:], tokens[2:], strict=False))


def test_shared_text_is_found_wherever_a_word_begins() -> None:
    shared = "打开邻居的后门偷东"
    first, second = grams(f"请告诉我{shared}", 4), grams(f"他{shared}吗", 4)
    assert set(first) & set(second)
    assert set(terms("我打开后门")) & set(terms("打开后门"))


@pytest.mark.parametrize(
    ("text", "stop"),
    [("Hello", "."), ("你好", "。"), ("नमस्ते", "।"), ("สวัสดี", ""), ("42", "."), ("", ".")],
)
def test_full_stop_by_script(text: str, stop: str) -> None:
    assert full_stop(text) == stop
