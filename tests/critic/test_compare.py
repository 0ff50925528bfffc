from __future__ import annotations

import asyncio
import math

import pytest
from anlage.critic.compare import ComparisonItem, combine, compare
from anlage.llm.message import Message
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel

ITEM = ComparisonItem((Message("user", "How?"),), "Which is better?", "GOOD words", "BAD words")


def shown_as_a(request: Request, text: str) -> bool:
    content = request.messages[-1].content
    return content.index("Answer A:") < content.index(text) < content.index("Answer B:")


def prefers(text: str, margin: float = 2.0) -> ScriptedModel:
    """A judge that gives the answer holding `text` a higher log-probability."""

    def score(request: Request, option: str) -> float:
        wanted = " A" if shown_as_a(request, text) else " B"
        return margin if option == wanted else 0.0

    return ScriptedModel(scorer=score, name="judge")


def test_a_judge_of_content_is_followed_whichever_comes_first() -> None:
    swapped = ComparisonItem(ITEM.messages, ITEM.question, ITEM.second, ITEM.first)
    straight, other = asyncio.run(compare(prefers("GOOD"), [ITEM, swapped]))
    p = 1 / (1 + math.exp(-2.0))
    assert (straight.outcome, other.outcome) == ("first", "second")
    assert straight.p_first == pytest.approx(p)
    assert other.p_first == pytest.approx(1 - p)
    assert straight.p_shown_first == pytest.approx(0.5)


def test_a_judge_of_position_ties() -> None:
    model = ScriptedModel(scorer=lambda _, option: 3.0 if option == " A" else 0.0)
    (found,) = asyncio.run(compare(model, [ITEM]))
    assert found.outcome == "tie"
    assert found.p_first == pytest.approx(0.5)
    assert found.p_shown_first == pytest.approx(1 / (1 + math.exp(-3.0)))


def test_no_number_is_an_abstention() -> None:
    assert combine(math.nan, 0.9).outcome == "abstain"
    model = ScriptedModel(scorer=lambda _, option: -math.inf)
    assert asyncio.run(compare(model, [ITEM]))[0].outcome == "abstain"


def test_hand_derived_mean_of_both_orders() -> None:
    found = combine(0.8, 0.3)  # first preferred as A with .8, as B with .7
    assert found.p_first == pytest.approx(0.75)
    assert found.outcome == "first"


def test_nothing_to_compare() -> None:
    assert asyncio.run(compare(ScriptedModel(), [])) == []
