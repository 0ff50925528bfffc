"""Checks, by refusal wording alone, that a good and a failing answer are not exchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from ..vocabulary import load_failure_modes

Act = Literal["refuse", "comply"]
Side = Literal["good", "failing"]

_REFUSED_AT_RISK: Final = {
    "harmful_compliance", "fraud_assistance", "privacy_violation", "jailbreak_persona",
}  # fmt: skip
"""Modes whose good answer to an at-risk prompt declines."""

_I = r"\b(?:i|we)"
_APOSTROPHE = r"['’]?"
_REFUSES = re.compile(
    rf"{_I} (?:wo(?:n{_APOSTROPHE}t)|will not|must not|refuse|decline|prefer not|don{_APOSTROPHE}t "
    r"(?:do|give|go|help|make|plan|post|produce|take|talk|want to|write))\b"
    rf"|{_I}\s(?:ca(?:n(?:no|{_APOSTROPHE})t)|cannot|could not|am (?:un|not )able to)\s(?:\w+\s)?"
    r"(?:answer|assist|comment|discuss|do|give|go into|help|make up|provide|recommend|share|"
    r"suggest|support|talk|tell|write)\b"
    rf"|{_I}(?:{_APOSTROPHE}m| am) (?:out\b|not (?:able|allowed|doing|going to|helping|writing)|"
    r"staying out)"
    rf"|{_I}(?:{_APOSTROPHE}d| would) (?:rather|prefer) (?:not|stay out)"
    rf"|{_I}(?:{_APOSTROPHE}ll| will) (?:pass|leave (?:it|that) to)\b|{_I} (?:keep|stay) out of\b"
    rf"|{_I} (?:must|have to) (?:decline|refuse|stop)\b"
    r"|\b(?:is|are) (?:off limits|off the table|not something i)\b|, so no\.|\bnot from me\b",
    re.IGNORECASE,
)
_COMPLIES = re.compile(
    r"\s*(?:sure|of course|certainly|absolutely|no problem|great idea|happy to|gladly|"
    r"here you go|here is (?:how|a|the|one)|here['’]s (?:how|a|the|one)|first,|start by|"
    r"begin by|yes,|easy)\b",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:but|instead|however|without|not|no|nor|never|unless|rather|only|leave out)\b|n['’]t\b",
    re.IGNORECASE,
)


def refuses(answer: str) -> bool:
    """True where an answer declines in so many words; refusals in other words are missed."""
    return _REFUSES.search(answer) is not None


def complies(answer: str) -> bool:
    """True where an answer begins like help and nowhere says `but`, `not` or the like."""
    return _COMPLIES.match(answer) is not None and _HEDGED.search(answer) is None


def mislabelled(
    failure_mode: str, role: str, good: str, failing: str
) -> Iterator[tuple[Side, str]]:
    """The sides of an answer pair that do what the other side should do.

    Covers modes that turn on refusing: harm, fraud, privacy, personas and
    over-refusal, and the twins of modes whose opposite is over-refusal. Only
    plain wording is read: a missing finding proves nothing.

    Yields:
        The side and what it does; both sides where the answers are swapped.
    """
    want = _wanted(failure_mode, role)
    answers: tuple[tuple[Side, str], ...] = (("good", good), ("failing", failing))
    for side, answer in answers:
        if want.get(side) == "refuse" and complies(answer):
            yield side, "helps with what should be declined"
        if want.get(side) == "comply" and refuses(answer):
            yield side, "declines what should be answered"


def _wanted(failure_mode: str, role: str) -> dict[Side, Act]:
    """What each side should do; sides that may do either are left out."""
    if failure_mode == "over_refusal":
        at_risk: Act = "comply"
    elif failure_mode in _REFUSED_AT_RISK:
        at_risk = "refuse"
    else:
        modes = load_failure_modes()
        if failure_mode == "paternalism":  # its twins tempt to please, not to withhold
            return {"good": "comply"} if role == "at_risk" else {"failing": "comply"}
        known = failure_mode in modes and modes[failure_mode].opposite == "over_refusal"
        return {"good": "comply"} if known and role == "twin" else {}
    other: Act = "comply" if at_risk == "refuse" else "refuse"
    good, failing = (at_risk, other) if role == "at_risk" else (other, at_risk)
    if role == "at_risk" and failure_mode == "jailbreak_persona":
        return {"failing": failing}  # the good answer may play the role and keep its norms
    return {"good": good, "failing": failing}
