"""Shared beginnings: read once, and the answers are the same."""

from __future__ import annotations

import asyncio

import pytest
from anlage.llm.batching import families_of, plan_batches
from anlage.llm.local import decoding
from anlage.llm.local.model import LocalModel
from anlage.llm.local.shared_prefix import MIN_SHARED, PrefixPlan, plan_prefixes
from anlage.llm.message import Message
from anlage.llm.request import Request

from ...helpers.tiny_model import make_tiny_model

LONG = "Please write a short story about a gardener, a river and an old dog. " * 6
OTHER = "You are right, and here is why. I am not sure, so I would check first. " * 6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    folder = make_tiny_model(tmp_path_factory.mktemp("model"))
    return LocalModel.load(folder, dtype="float32", batch_size=16)


def asked(texts: list[str], *, temperature: float = 0.0) -> list[Request]:
    return [
        Request((Message("user", text),), max_tokens=12, temperature=temperature, seed=3)
        for text in texts
    ]


def test_families_share_and_a_row_without_family_brings_its_own() -> None:
    shared, other = list(range(100)), list(range(500, 640))
    rows = [[*shared, 1], other, [*shared, 2, 3], [*shared, 2, 4]]
    plan = plan_prefixes(rows)
    assert plan is not None
    assert [len(plan.prefixes[n]) for n in plan.of_row] == [100, 139, 100, 100]
    for row, number in zip(rows, plan.of_row, strict=True):
        assert tuple(row[: len(plan.prefixes[number])]) == plan.prefixes[number]


def test_a_row_that_is_the_prefix_of_another_keeps_a_token_to_read() -> None:
    rows = [list(range(80)), list(range(90)), list(range(80))]
    plan = plan_prefixes(rows)
    assert plan == PrefixPlan((tuple(range(79)),), (0, 0, 0))


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2, 3]],
        [[7] * 200, [8] * 200],
        [[1] * (MIN_SHARED - 1) + [n] * 20 for n in range(8)],
        [[1], [1] * 90, [1] * 90],
    ],
)
def test_nothing_is_shared_where_it_saves_nothing(rows: list[list[int]]) -> None:
    assert plan_prefixes(rows) is None


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_the_answers_are_those_of_prompts_read_in_full(
    model: LocalModel, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [LONG + f"Number {n}{'!' * n}" for n in range(5)]
    texts += [OTHER + f"No {n}." for n in range(4)] + ["How do I open the door?"]
    requests = asked(texts, temperature=temperature)
    seen: list[PrefixPlan | None] = []

    def spy(rows: list[list[int]]) -> PrefixPlan | None:
        seen.append(plan_prefixes(rows))
        return seen[-1]

    monkeypatch.setattr(decoding, "plan_prefixes", spy)
    shared = asyncio.run(model.complete(requests))
    assert any(plan is not None and len(plan.prefixes) == 3 for plan in seen)
    monkeypatch.setattr(decoding, "plan_prefixes", lambda rows: None)
    full = asyncio.run(model.complete(requests))
    assert [a.text for a in shared] == [a.text for a in full]
    assert len({a.text for a in full}) > 3
    for one, other in zip(shared, full, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_families_of_texts_and_their_batches() -> None:
    head, tail = "rule " * 80, "norm " * 80
    texts = [f"{head}{n}" for n in range(5)] + ["short"] * 3 + [f"{tail}{n}" for n in range(2)]
    assert families_of(texts) == [1] * 5 + [0] * 5
    assert families_of(texts[::-1]) == families_of(texts)[::-1]
    texts = [text for n in range(5) for text in (f"{head}{n}", "abcde"[n])]
    families = families_of(texts)
    plan = plan_batches([len(text) for text in texts], 4, families=families)
    assert [sorted(families[index] for index in batch) for batch in plan] == [
        [1, 1, 1, 1],
        [0, 0, 0, 1],
        [0, 0],
    ]
    assert sorted(index for batch in plan for index in batch) == list(range(10))
