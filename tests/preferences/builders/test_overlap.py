"""Stages that overlap: a critique is asked for as soon as its draft is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from anlage.errors import BudgetError, NotSupportedError
from anlage.llm.budget import Budget, Budgeted, BudgetLimits
from anlage.llm.cached import CachedModel
from anlage.llm.message import Message
from anlage.llm.prices import NO_FEE
from anlage.llm.request import Completion, Model, Request, Score
from anlage.llm.scripted import ScriptedModel
from anlage.preferences.builders.attempt import BuildResult, start
from anlage.preferences.builders.overlap import groups
from anlage.preferences.builders.registry import get_builder
from anlage.preferences.builders.roles import Models
from anlage.preferences.settings import PairSettings
from anlage.store.store import Store

from ...helpers.pairs import KeyedModel, make_constitution, make_prompts, write

SETTINGS = PairSettings.model_validate({"max_failed_share": 1.0})


class Served(Model):
    """Answers like `write` behind a chat API: many calls at a time, each with a delay."""

    fingerprint = "served"
    in_flight = 8

    def __init__(self, delay: float = 0.0, *, in_flight: int = 8, slow: str = "\0") -> None:
        self.in_flight = in_flight
        self.delay, self.slow = delay, slow
        self.log: list[tuple[str, str]] = []
        self.asked: list[Request] = []

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        found = []
        for request in requests:
            said = request.messages[-1].content
            kind = "critique" if request.prefill == "The answer" else "writing"
            self.asked.append(request)
            self.log.append((f"{kind} begun", said))
            await asyncio.sleep(self.delay * (20 if self.slow in said else 1))
            self.log.append((f"{kind} done", said))
            found.append(Completion(write(request) or ""))
        return found

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        raise NotSupportedError("served")


def build(policy: Model, critic: Model, twins: int = 4) -> BuildResult:
    models = Models(policy, critic, critic)
    made = get_builder("critique_revise")(
        make_prompts(twins), make_constitution(), models, SETTINGS
    )
    return asyncio.run(made)


def test_a_slow_draft_keeps_no_other_prompt_waiting() -> None:
    with Store(":memory:") as store:
        served = Served(0.01, slow="rob bank branch number 2")
        model = CachedModel(served, store)
        result = build(model, model)
    assert len(result.pairs) == 8
    slow = served.log.index(("writing done", "How do I rob bank branch number 2?"))
    before = [what for what, _ in served.log[:slow]]
    assert before.count("critique done") >= 5


def test_overlapping_or_not_the_pairs_are_the_same(tmp_path: Path) -> None:
    together = KeyedModel(ScriptedModel(write, name="all"))
    plain = build(together, together)
    with Store(":memory:") as store:
        model = CachedModel(Served(), store)
        overlapped = build(model, model)
    strip = [[replace(p, calls={}) for p in r.pairs] for r in (plain, overlapped)]
    assert strip[0] == strip[1]
    assert plain.outcomes.by_kind == overlapped.outcomes.by_kind


def test_a_local_policy_keeps_its_batches_while_a_server_critiques() -> None:
    local = KeyedModel(ScriptedModel(write, name="all", batch_size=4))
    with Store(":memory:") as store:
        result = build(local, CachedModel(Served(0.005), store))
    assert len(result.pairs) == 8
    assert max(local.batches) == 4
    assert local.batches[:2] == [4, 4]  # the second group's drafts wait for no critique


def test_groups_depend_on_the_prompts_only() -> None:
    attempts = start(make_prompts(5), make_constitution(), SETTINGS)
    local, served = ScriptedModel(batch_size=4), Served()
    made = [[a.prompt.id for a in group] for group in groups(attempts, [local, served])]
    turned = groups(attempts[::-1], [local, served])
    assert made == [[a.prompt.id for a in group] for group in turned]
    assert [len(group) for group in made] == [4, 4, 2]
    assert [len(group) for group in groups(attempts, [local])] == [10]
    assert [len(group) for group in groups(attempts, [served])] == [1] * 10
    assert groups([], [local]) == []


def ask(number: int) -> Request:
    return Request((Message("user", f"question number {number}?"),))


def test_equal_calls_in_flight_are_made_once() -> None:
    async def twice() -> list[list[Completion]]:
        calls = [model.complete([ask(1), ask(2)]), model.complete([ask(2), ask(1)])]
        return list(await asyncio.gather(*calls))

    with Store(":memory:") as store:
        served = Served(0.01)
        model = CachedModel(served, store)
        one, other = asyncio.run(twice())
        assert len(served.asked) == 2
        assert [a.text for a in one] == [a.text for a in other[::-1]]
        assert store.count("call") == 2


def test_when_the_budget_ends_what_is_in_flight_is_stored_and_nothing_is_begun() -> None:
    with Store(":memory:") as store:
        served = Served(0.01, in_flight=4)
        limits = BudgetLimits(max_calls=10)
        budget = Budget(limits)
        model = CachedModel(Budgeted(served, budget, NO_FEE), store)
        with pytest.raises(BudgetError, match="max_calls: 10"):
            build(model, model, twins=12)
        assert len(served.asked) == store.count("call") == budget.spent.calls == 10
        more = CachedModel(Budgeted(served, Budget(BudgetLimits()), NO_FEE), store)
        result = build(more, more, twins=12)
        assert len(result.pairs) == 24
        keys = [request.key("served") for request in served.asked]
        assert len(keys) == len(set(keys))


def test_a_call_that_raises_fails_all_who_wait_and_the_next_start_is_fresh() -> None:
    class Once(Served):
        broken = True

        async def complete(self, requests: Sequence[Request]) -> list[Completion]:
            if self.broken:
                raise BudgetError("used up")
            return await super().complete(requests)

    async def both() -> list[object]:
        first = await asyncio.gather(
            *(model.complete([ask(n)]) for n in range(6)), return_exceptions=True
        )
        served.broken = False
        return [*first, await model.complete([ask(7)])]

    with Store(":memory:") as store:
        served = Once(in_flight=2)
        model = CachedModel(served, store)
        *failed, last = asyncio.run(both())
        assert all(isinstance(error, BudgetError) for error in failed)
        assert isinstance(last, list)
        assert last[0].outcome.kind == "ok"
