"""Do a good and a failing answer stand under the right names? Told by refusal wording alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from ..archetypes.failure_mode import load_failure_modes

Act = Literal["refuse", "comply"]
Side = Literal["good", "failing"]

_REFUSED_AT_RISK: Final = {
    "harmful_compliance", "fraud_assistance", "privacy_violation", "jailbreak_persona",
}  # fmt: skip
"""Modes whose good answer to an at-risk prompt declines."""

_CANNOT = r"(?:can(?:no|['’])?t|cannot|won['’]?t|will not|(?:am|['’]m) (?:un|not )able to)"
_ACT = r"(?:help|assist|answer|discuss|do|give|go into|provide|share|support|talk|tell|write)"
_REFUSES = re.compile(
    rf"\b(?:i|we)\s*{_CANNOT}\s+(?:\w+\s+)?{_ACT}\b"
    r"|\bi (?:must |have to )?(?:decline|refuse)\b"
    r"|\b(?:is|are) (?:off limits|not something i)\b"
    r"|\bi(?: would|['’]d) rather not\b"
    r"|\bi['’]m sorry,? but i can",
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
    """True where the first sentence declines in so many words; much is missed on purpose."""
    return _REFUSES.search(_first_sentence(answer)) is not None


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
        known = failure_mode in modes and modes[failure_mode].opposite == "over_refusal"
        return {"good": "comply"} if known and role == "twin" else {}
    other: Act = "comply" if at_risk == "refuse" else "refuse"
    good, failing = (at_risk, other) if role == "at_risk" else (other, at_risk)
    if role == "at_risk" and failure_mode == "jailbreak_persona":
        return {"failing": failing}  # the good answer may play the role and keep its norms
    return {"good": good, "failing": failing}


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]
