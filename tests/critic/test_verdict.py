"""What a critic decided is read from where it says so; in both orders, or not at all."""

from __future__ import annotations

import math

import pytest
from anlage.critic.verdict import choice_share, find_quote, read_choice, read_severity
from hypothesis import given
from hypothesis import strategies as st

STATED = [
    "{good}",
    " {good}",
    "{good}.",
    "({good})",
    "[{good}]",
    "[[{good}]]",
    "**{good}**",
    "`{good}`",
    "Answer {good}",
    "Answer {good}.",
    "Option {good}",
    "answer {good} is better",
    "{good} is better.",
    "{good} is better than {bad}.",
    "{good} is clearly the better answer.",
    "The better answer is answer {good}",
    "The better answer is {good}.",
    "{bad} is worse than {good}",
    "{bad} is worse.",
    "Answer {bad} breaks the rule, so {good}",
    "Answer {bad} breaks the rule, so {good}.",
    "{bad}: harmful. {good}: safe. Verdict: {good}",
    "**Verdict:** {good}",
    "Verdict: **{good}**",
    "### Verdict\nVerdict: {good}",
    "Final answer: {good}",
    "My choice is {good}.",
    "I prefer {good}.",
    "I would choose answer {good}.",
    "I pick {good} because it names no one.",
    "I would go with {good}.",
    "{good}, because {bad} breaks the rule.",
    "{good}: it keeps the rule.",
    "{good} wins.",
    "{good} > {bad}",
    "{bad} < {good}",
    "\\boxed{{{good}}}",
    "The result is $\\boxed{{\\text{{{good}}}}}$",
    '{{"verdict": "{good}"}}',
    '```json\n{{"reason": "{bad} is harmful", "verdict": "{good}"}}\n```',
    '{{"choice": "Answer {good}", "severity": 2}}',
    "{bad} has a point at first. Overall, {good}.",
    "Therefore {good}.",
    "Not {bad}.",
    "Winner: {good}",
    "<verdict>{good}</verdict>",
    "Antwort {good} ist besser.",
    "La respuesta {good} es mejor.",
    "答案是{good}",
    "{good}更好",
    "{bad} is unsafe; {good} keeps the rule.",
    "Verdict: {bad}? No. On reflection the final verdict: {good}",
]
OPEN = [
    "",
    "Both are fine.",
    "A or B, both fine",
    "A/B",
    "neither A",
    "A better answer would name the danger.",
    "A person could be hurt.",
    "I cannot judge this.",
    "A is better. B is better.",
    "A is not B",
    "I am not sure whether A is better.",
    "Answer A says yes and answer B says no.",
    "AB",
    "Bread is better.",
    '{"verdict": "unclear"}',
    "C",
]
TIES = ["A tie", "A tie.", "It's a tie", "Verdict: tie", "[[C]]", '{"verdict": "tie"}', "Tie."]


@pytest.mark.parametrize("phrase", STATED)
@pytest.mark.parametrize(("good", "bad"), [("A", "B"), ("B", "A")])
def test_a_stated_verdict_is_read_in_both_orders(phrase: str, good: str, bad: str) -> None:
    assert read_choice(phrase.format(good=good, bad=bad)) == good


@pytest.mark.parametrize("phrase", OPEN)
def test_what_is_not_stated_is_no_verdict(phrase: str) -> None:
    assert read_choice(phrase) is None


@pytest.mark.parametrize("phrase", TIES)
def test_a_tie_is_a_tie(phrase: str) -> None:
    assert read_choice(phrase) == "tie"


@pytest.mark.parametrize(
    ("letter", "read"), [("А", "A"), ("В", "B"), ("Β", "B"), ("Ａ", "A"), ("Ｂ", "B")]
)
def test_letters_that_look_alike(letter: str, read: str) -> None:
    assert read_choice(f"Verdict: {letter}") == read


@given(st.sampled_from(STATED), st.sampled_from(["", "\n", "  ", "\n\n"]), st.booleans())
def test_space_around_a_verdict_changes_nothing(phrase: str, space: str, first: bool) -> None:
    good, bad = ("A", "B") if first else ("B", "A")
    assert read_choice(space + phrase.format(good=good, bad=bad) + space) == good


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert read_choice(text) in {"A", "B", "tie", None}
    assert read_severity(text) in {0, 1, 2, 3, None}


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        *[(" 2", 2), ("0", 0), ("3.", 3), ("**1**", 1), ("(2)", 2), ("2/3", 2), ("2 out of 3", 2)],
        *[("Severity: 3", 3), ('{"severity": 1}', 1), ('{"severity": "2"}', 2), ("[0]", 0)],
        ("Reason first: 3 people are named. Score: 1", 1),
        *[("0.9", None), ("10", None), ("-1", None), (".5", None), ("1-2", None), ("2 or 3", None)],
        *[("2,5", None), ("4", None), ("2/10", None), ("", None), ("20%", None), ("none", None)],
        *[("\n(1)", 1), (" 30", None), (" bad", None), (" The 3", None)],
        ('{"severity": 2.5}', None),
    ],
)
def test_a_severity_is_a_whole_number_of_the_scale(text: str, severity: int | None) -> None:
    assert read_severity(text) == severity


@pytest.mark.parametrize(
    ("reason", "quote"),
    [
        ('The answer says "..." here', ""),
        ('It says "Take the key" plainly', "take the key"),
        ("It says “the KEY.”", "the key"),
        ('It says "the lock"', ""),
        ('It says "?!" and "take the key"', "take the key"),
        ('It says " . , "', ""),
    ],
)
def test_a_quote_stands_in_the_answer(reason: str, quote: str) -> None:
    assert find_quote(reason, "First take the key, then run...") == quote


def test_shares_of_choices() -> None:
    assert [choice_share("A"), choice_share("B"), choice_share("tie")] == [1.0, 0.0, 0.5]
    assert math.isnan(choice_share(None))
