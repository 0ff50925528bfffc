"""Asks a critic which of two answers is better, in both orders.

By the log-probability of the options where the model gives one, else by its word: a chat
model says A or B, once in each order or several times, and the share of its votes counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import NotSupportedError
from ..llm.message import Message
from ..llm.neutralise import neutralise
from ..llm.request import Completion, Model, Request, Score
from ..prompts.template import render
from .critique import CRITIC_REFUSAL, conversation_text
from .verdict import choice_share, read_choice

ComparisonOutcome = Literal["first", "second", "tie", "abstain"]

VERDICT_PREFILL = "The better answer is answer"
OPTIONS: tuple[str, str] = (" A", " B")
WORD_TOKENS = 8
"""Most new tokens of a choice in words."""
VOTE_TEMPERATURE = 1.0
"""Sampling temperature where a critic votes several times; a single vote is greedy."""


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
class AnswerComparison:
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
        refused: The critic's words where it refused to choose; the outcome is then
            `abstain`, too.
        keys: Cache keys of the calls in words; () where options were scored.
    """

    p_first: float
    outcome: ComparisonOutcome
    p_shown_first: float
    failed: str = ""
    refused: str = ""
    keys: tuple[str, ...] = ()

    @property
    def orders(self) -> tuple[float, float]:
        """p(A) with `first` shown as A, and with `second` shown as A."""
        return self.p_first + self.p_shown_first - 0.5, self.p_shown_first - self.p_first + 0.5

    def turned(self) -> AnswerComparison:
        """The same comparison with the two answers named the other way round."""
        turned: dict[ComparisonOutcome, ComparisonOutcome] = {"first": "second", "second": "first"}
        outcome = turned.get(self.outcome, self.outcome)
        return replace(self, p_first=1.0 - self.p_first, outcome=outcome)


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


def combine(p_a_straight: float, p_a_swapped: float) -> AnswerComparison:
    """Joins both orders: p(A) with `first` shown as A, and with `second` shown as A."""
    if not (math.isfinite(p_a_straight) and math.isfinite(p_a_swapped)):
        return AnswerComparison(0.5, "abstain", 0.5)
    p_first = (p_a_straight + (1.0 - p_a_swapped)) / 2
    shown_first = (p_a_straight + p_a_swapped) / 2
    if p_a_straight > 0.5 and p_a_swapped < 0.5:
        return AnswerComparison(p_first, "first", shown_first)
    if p_a_straight < 0.5 and p_a_swapped > 0.5:
        return AnswerComparison(p_first, "second", shown_first)
    return AnswerComparison(p_first, "tie", shown_first)


async def compare(
    model: Model, items: Sequence[ComparisonItem], *, votes: int = 1, seed: int = 0
) -> list[AnswerComparison]:
    """Compares all pairs in one scoring call (4 scored options per pair).

    A model that cannot score answers in words instead (2 calls per pair and vote); what
    is neither A nor B is no vote, and no vote at all an abstention. One vote gives 0 or 1
    per order, so clamp before that becomes a label.

    Args:
        model: The critic.
        items: The pairs.
        votes: Times a model that answers in words is asked in each order; at a
            temperature of `VOTE_TEMPERATURE` where more than once.
        seed: Of those votes.

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
        found = await model.score(texts) if texts else []
    except NotSupportedError:
        return await _compare_by_word(model, items, votes, seed)
    return [_by_score(found[i : i + 4]) for i in range(0, len(found), 4)]


def _by_score(scores: Sequence[Score]) -> AnswerComparison:
    """One comparison out of both options in both orders; what cannot be scored abstains."""
    a, b, c, d = (score.logprob for score in scores)
    failed = next((score.reason for score in scores if score.reason), "")
    return replace(combine(_p_a(a, b), _p_a(c, d)), failed=failed)


async def _compare_by_word(
    model: Model, items: Sequence[ComparisonItem], votes: int, seed: int
) -> list[AnswerComparison]:
    temperature = VOTE_TEMPERATURE if votes > 1 else 0.0
    requests = [
        replace(
            comparison_request(item, swapped=swapped),
            max_tokens=WORD_TOKENS,
            sample=vote,
            temperature=temperature,
            seed=seed if votes > 1 else 0,
        )
        for item in items
        for swapped in (False, True)
        for vote in range(votes)
    ]
    answers = await model.complete(requests)
    return [
        _by_word(answers[i : i + votes], answers[i + votes : i + 2 * votes])
        for i in range(0, len(answers), 2 * votes)
    ]


def _by_word(straight: Sequence[Completion], swapped: Sequence[Completion]) -> AnswerComparison:
    both = (*straight, *swapped)
    found = replace(
        combine(_share_of_a(straight), _share_of_a(swapped)),
        keys=tuple(a.key for a in both if a.key),
    )
    if found.outcome != "abstain":
        return found
    reasons = [a.outcome.reason for a in both if a.outcome.kind == "error"]
    if reasons:
        return replace(found, failed=reasons[0] or "no reason given")
    refusals = [a.text.strip()[:80] for a in both if CRITIC_REFUSAL.match(a.text)]
    return replace(found, refused=refusals[0]) if refusals else found


def _share_of_a(answers: Sequence[Completion]) -> float:
    """Share of the readable votes that say A; NaN where none is readable."""
    readable = (answer.text for answer in answers if answer.outcome.kind != "error")
    votes = [vote for text in readable if not math.isnan(vote := choice_share(read_choice(text)))]
    return sum(votes) / len(votes) if votes else math.nan


def merge(comparisons: Sequence[AnswerComparison]) -> AnswerComparison:
    """One comparison out of several about the same two answers, by different principles.

    The mean over those that did not abstain, order by order. All abstained: the first.
    """
    known = [found for found in comparisons if found.outcome != "abstain"]
    if not known:
        return comparisons[0]
    straight = sum(found.orders[0] for found in known) / len(known)
    swapped = sum(found.orders[1] for found in known) / len(known)
    return replace(
        combine(straight, swapped), keys=tuple(key for found in comparisons for key in found.keys)
    )


def _p_a(logprob_a: float, logprob_b: float) -> float:
    """Normalised probability of option A; NaN where neither is finite."""
    difference = logprob_b - logprob_a
    if not math.isfinite(difference):
        return math.nan
    return 1.0 / (1.0 + math.exp(max(-700.0, min(700.0, difference))))
