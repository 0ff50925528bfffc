"""Checks whether a proposed sentence is a rewording of the author's at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..archetypes.lint.wording import content_words, jaccard
from ..llm.message import Message
from ..llm.request import Completion, Model, Request

MIN_SHARED = 0.2
"""Least share of content words with the old text (Jaccard); below, it is another rule."""
MAX_BORROWED = 0.5
"""Most of a proposal's new content words that may come from the situation."""
MAX_WORDS = 60
_CHAT = re.compile(
    r"(?:sure|certainly|of course|here(?:'s| is| are)|okay|ok|the rule|rule|prohibition|situation|"
    r"revised|rewritten|as an ai|i am|i'm|i can|i will|i would)\b",
    re.IGNORECASE,
)
_ABOUT_RULES = re.compile(
    r"\b(?:rules?|rephras\w+|prohibit\w*|situations?|guidelines?|this sentence|in other words)\b",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[*_`#<>{}\[\]|]|https?:")
_WORD = re.compile(r"\w+")


def tidy(text: str) -> str:
    """One line, without quotes around it."""
    line = " ".join(text.split())
    if len(line) > 1 and line[0] in "\"'“" and line[-1] in "\"'”":
        line = line[1:-1].strip()
    return line


def unfit(old: str, new: str, *, situation: str = "") -> str:
    """Why a proposal is no rewording of the old text, or "".

    Args:
        old: The author's sentence.
        new: The proposal.
        situation: When the rule applies; it stands in a field of its own, so a
            proposal that repeats it says nothing new.
    """
    if not new:
        return "empty"
    if _words(old) == _words(new):
        return "the same words again"
    if _CHAT.match(new) or (_ABOUT_RULES.search(new) and not _ABOUT_RULES.search(old)):
        return "talk about the rule, not the rule"
    if _MARKUP.search(new) or not new.isprintable():
        return "markup or special signs"
    if len(new.split()) > MAX_WORDS:
        return f"more than {MAX_WORDS} words"
    if new[-1] not in ".!":
        return "no whole sentence"
    sentences = [part.strip().lower() for part in re.split(r"(?<=[.!])\s", new)]
    if len(set(sentences)) < len(sentences):
        return "repeats itself"
    if jaccard(content_words(old), content_words(new)) < MIN_SHARED:
        return "about something else"
    added = content_words(new) - content_words(old)
    borrowed = added & content_words(situation)
    if len(borrowed) > 2 and len(borrowed) > MAX_BORROWED * len(added):
        return "repeats the situation"
    return ""


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in {"a", "an", "the"}]


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
