"""Asks a critic which of two answers is better, in both orders.

By the log-probability of the options where the model gives one, else by its word: a chat
model is asked once in each order and its A or B counts as certain.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import NotSupportedError
from ..llm.request import Completion, Model, Request
from ..prompts.prompt import Message
from ..prompts.template import neutralise, render
from .critique import conversation_text

ComparisonOutcome = Literal["first", "second", "tie", "abstain"]

VERDICT_PREFILL = "The better answer is answer"
OPTIONS: tuple[str, str] = (" A", " B")
WORD_TOKENS = 8
"""Most new tokens of a choice in words."""

_CHOICE = re.compile(r"[\s*_\"'(\[:]*(?:(?:[Aa]nswer|[Oo]ption)[\s*_]+)?([AB])(?![\w'’])")


@dataclass(frozen=True, slots=True)
class ComparisonItem:
    """Two answers to one conversation, and the question that decides between them.

    Attributes:
        messages: The conversation both answers follow.
        question: A principle's `compare` text, naming neither answer as better.
        first: One answer.
        second: The other.
    """

    messages: tuple[Message, ...]
    question: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A critic's preference, order effects taken out.

    Attributes:
        p_first: Probability in [0, 1] that `first` is better: the mean over both
            orders of the normalised option probabilities (Bai et al. 2022, section
            4.1, use one order).
        outcome: `first` or `second` where both orders agree, `tie` where they do
            not, `abstain` where the critic gave no finite number.
        p_shown_first: Mean probability given to whichever answer was shown first;
            0.5 means no position bias.
        failed: Why a call failed, where one did; the outcome is then `abstain`.
    """

    p_first: float
    outcome: ComparisonOutcome
    p_shown_first: float
    failed: str = ""


def comparison_request(item: ComparisonItem, *, swapped: bool) -> Request:
    """The prefilled question; `swapped` shows `second` as answer A."""
    shown = (item.second, item.first) if swapped else (item.first, item.second)
    content = render(
        "compare",
        {
            "prompt": conversation_text(item.messages),
            "first": neutralise(shown[0]),
            "second": neutralise(shown[1]),
            "request": item.question,
        },
    )
    return Request(messages=(Message("user", content),), prefill=VERDICT_PREFILL, max_tokens=1)


def combine(p_a_straight: float, p_a_swapped: float) -> Comparison:
    """Joins both orders: p(A) with `first` shown as A, and with `second` shown as A."""
    if not (math.isfinite(p_a_straight) and math.isfinite(p_a_swapped)):
        return Comparison(0.5, "abstain", 0.5)
    p_first = (p_a_straight + (1.0 - p_a_swapped)) / 2
    shown_first = (p_a_straight + p_a_swapped) / 2
    if p_a_straight > 0.5 and p_a_swapped < 0.5:
        return Comparison(p_first, "first", shown_first)
    if p_a_straight < 0.5 and p_a_swapped > 0.5:
        return Comparison(p_first, "second", shown_first)
    return Comparison(p_first, "tie", shown_first)


async def compare(model: Model, items: Sequence[ComparisonItem]) -> list[Comparison]:
    """Compares all pairs in one scoring call (4 scored options per pair).

    A model that cannot score answers in words instead (2 calls per pair); what is
    neither A nor B is an abstention. Its probabilities are then 0 or 1 per order, so
    clamp them before they become labels.

    Args:
        model: The critic.
        items: The pairs.

    Returns:
        One comparison per item, in order.
    """
    texts = [
        (comparison_request(item, swapped=swapped), option)
        for item in items
        for swapped in (False, True)
        for option in OPTIONS
    ]
    try:
        scores = [score.logprob for score in await model.score(texts)] if texts else []
    except NotSupportedError:
        return await _compare_by_word(model, items)
    return [
        combine(_p_a(scores[i], scores[i + 1]), _p_a(scores[i + 2], scores[i + 3]))
        for i in range(0, len(scores), 4)
    ]


async def _compare_by_word(model: Model, items: Sequence[ComparisonItem]) -> list[Comparison]:
    requests = [
        replace(comparison_request(item, swapped=swapped), max_tokens=WORD_TOKENS)
        for item in items
        for swapped in (False, True)
    ]
    answers = await model.complete(requests)
    return [_by_word(*answers[i : i + 2]) for i in range(0, len(answers), 2)]


def _by_word(straight: Completion, swapped: Completion) -> Comparison:
    found = combine(parse_choice(straight), parse_choice(swapped))
    reasons = [a.outcome.reason for a in (straight, swapped) if a.outcome.kind == "error"]
    return replace(found, failed=reasons[0] or "no reason given") if reasons else found


def parse_choice(completion: Completion) -> float:
    """1.0 where the critic says A, 0.0 where it says B, NaN where it says neither."""
    if completion.outcome.kind == "error":
        return math.nan
    text = completion.text.strip().removeprefix(VERDICT_PREFILL)
    found = _CHOICE.match(text)
    return math.nan if found is None else float(found.group(1) == "A")


def _p_a(logprob_a: float, logprob_b: float) -> float:
    """Normalised probability of option A; NaN where neither is finite."""
    difference = logprob_b - logprob_a
    if not math.isfinite(difference):
        return math.nan
    return 1.0 / (1.0 + math.exp(max(-700.0, min(700.0, difference))))
