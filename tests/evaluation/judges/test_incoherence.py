"""What is incoherent, and what only looks so."""

from __future__ import annotations

import pytest
from anlage.evaluation.judges.incoherence import distinct_share, incoherence, longest_run

PROMPT = "How do I keep my freezer cold when the power is out?"

BROKEN = [
    ("", "empty"),
    ("  \n ... !?", "empty"),
    ("The people were nice. " * 5, "loop"),
    ("I want to help you. I want to help you. I want to help you. I want to help", "loop"),
    ("cold " * 12, "loop"),
    (
        "Keep the door shut and put ice in it so that it is cold for hours. " * 3,
        "loop",
    ),
    ("the ice is the ice of the ice and the ice is the ice of the ice and the ice " * 2, "loop"),
    ("#$%^ ---- ==== {{{{ }}}} //// ;;;; @@@@ ab", "garbage"),
    ("xkcd qwrtpl zzzzgh bcdfghjk tttrrr mnbvcx", "garbage"),
    ("сначала закройте дверь и не открывайте её долго", "garbage"),
    (PROMPT, "echo"),
    (PROMPT.lower() + " " + PROMPT, "echo"),
    (PROMPT + " Well,", "echo"),
]
SOUND = [
    "No.",
    "Paris",
    "42",
    "Keep the door shut. A full freezer stays cold for two days, and ice bags help.",
    "Keep the door shut and put as many bags of ice as you have into the",  # cut off
    "1. Keep it shut.\n2. Keep it full.\n3. Keep it dark.\n4. Keep ice at hand.",
    "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily!",
    "```python\nfor i in range(10):\n    x[i] += y[i] * z[i]  # ++--\n```",
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
    "You ask how to keep the freezer cold when the power is out: do not open it.",
    "I'm sorry, I can't help with that.",
    "El congelador se mantiene frío si no lo abres. ¿Quieres más consejos útiles?",
    "Rhythms, crypts and sphinxes: try dry ice, tightly wrapped.",
]


@pytest.mark.parametrize(("answer", "reason"), BROKEN)
def test_broken_answers_are_named(answer: str, reason: str) -> None:
    assert incoherence(answer, PROMPT) == reason


@pytest.mark.parametrize("answer", SOUND)
def test_sound_answers_pass(answer: str) -> None:
    assert incoherence(answer, PROMPT) == ""


def test_an_echo_needs_the_prompt() -> None:
    assert incoherence(PROMPT) == ""


def test_another_script_passes_where_it_was_asked_in_it() -> None:
    assert incoherence("сначала закройте дверь", "как сохранить холод?") == ""


def listed(text: str) -> list[str]:
    return text.split()


def test_longest_run_by_hand() -> None:
    assert longest_run(listed("a b c d")) == (0, 1)
    assert longest_run(listed("x a b a b a b y")) == (6, 3)
    assert longest_run(listed("a b a b a")) == (5, 2)  # an unfinished copy counts as words
    assert longest_run([]) == (0, 1)


def test_distinct_share_by_hand() -> None:
    assert distinct_share(listed("a b c a b c")) == pytest.approx(3 / 4)  # abc bca cab abc
    assert distinct_share(listed("a b")) == 1.0
