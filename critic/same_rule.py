"""Does a model hold two wordings for one rule, and tell them from another rule?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..llm.request import Completion, Model, Request
from ..prompts.prompt import Message

_ASK = "Rule A: {one}\nRule B: {other}\nDo both rules ask for the same? Answer yes or no."
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


class Wordings(NamedTuple):
    """A rule, a proposal for it, and a rule that asks for something else."""

    old: str
    new: str
    control: str


async def not_the_same(model: Model, items: Sequence[Wordings]) -> list[str]:
    """Why each proposal is not trusted to ask for what the old rule asks, or "".

    Four questions each: old and new in both orders must be the same, and the
    control must differ from either. A model that says yes to everything, or that
    answers by position, fails, so that its word for the proposal counts for
    nothing. Not covered: a wrong answer that is consistent.
    """
    asked = [pair for item in items for pair in _pairs(item)]
    answers = await model.complete([_request(one, other) for one, other in asked])
    groups = [answers[i : i + 4] for i in range(0, len(answers), 4)]
    return [_verdict([_said(answer) for answer in group]) for group in groups]


def _pairs(item: Wordings) -> list[tuple[str, str]]:
    old, new, control = item
    return [(old, new), (new, old), (old, control), (control, new)]


def _request(one: str, other: str) -> Request:
    text = _ASK.format(one=one, other=other)
    return Request(messages=(Message("user", text),), temperature=0.0, max_tokens=8)


def _said(answer: Completion) -> str:
    found = _YES_OR_NO.match(answer.text)
    return found.group(1).lower() if found else ""


def _verdict(said: Sequence[str]) -> str:
    if "" in said:
        return "asked whether the rule is still the same, the model says neither yes nor no"
    if "no" in said[:2]:
        return "the model does not take it for the same rule"
    if "yes" in said[2:]:
        return "the model takes another rule for the same, too: it cannot tell"
    return ""
