"""The model behind the store: nothing stored is asked again, and kills lose one batch."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from anlage.errors import StoreError
from anlage.llm.batching import plan_batches
from anlage.llm.cached import CachedModel, lookup_call
from anlage.llm.message import Message
from anlage.llm.request import Completion, Outcome, Request
from anlage.llm.scripted import ScriptedModel
from anlage.store.store import Store

WORKER = """
import asyncio, json, sys, time
from pathlib import Path
from anlage.store.store import Store
from anlage.llm.cached import CachedModel
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel
from anlage.llm.message import Message

path, log, pause = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])

class Slow(ScriptedModel):
    async def complete(self, requests):
        with log.open("a") as file:
            file.write(json.dumps([r.messages[0].content for r in requests]) + "\\n")
        time.sleep(pause)
        return await super().complete(requests)

model = CachedModel(Slow(batch_size=4), Store(path))
asked = [Request((Message("user", f"What about river {n} " + "so " * (n % 7)),)) for n in range(30)]
answers = asyncio.run(model.complete(asked))
print(json.dumps([a.text for a in answers]))
"""


def request(text: str, sample: int = 0) -> Request:
    return Request((Message("user", text),), sample=sample)


def worker(folder: Path, pause: float) -> list[str]:
    return [sys.executable, "-c", WORKER, str(folder / "c.sqlite"), str(folder / "log"), str(pause)]


def batches(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def test_plan_holds_every_index_once_longest_first() -> None:
    assert plan_batches([3, 9, 5, 9, 1], 2) == [[1, 3], [2, 0], [4]]
    assert plan_batches([3, 9, 5, 9, 1], 4, budget=10) == [[1], [3], [2, 0], [4]]
    assert plan_batches([], 2) == []
    with pytest.raises(ValueError, match="at least 1"):
        plan_batches([1], 0)


def test_a_second_call_asks_nothing_and_answers_the_same() -> None:
    inner, store = ScriptedModel(batch_size=2), Store(":memory:")
    asked = [request(f"the old garden {number}") for number in range(5)]
    first = asyncio.run(CachedModel(inner, store).complete(asked))
    second = asyncio.run(CachedModel(inner, store).complete(asked[::-1]))
    assert inner.calls == 5
    assert [answer.text for answer in second] == [answer.text for answer in first[::-1]]
    assert [answer.key for answer in first] == [r.key(inner.fingerprint) for r in asked]
    assert not any(answer.cached for answer in first)
    assert all(answer.cached for answer in second)


def test_identical_requests_are_computed_once_samples_are_not() -> None:
    inner = ScriptedModel()
    model = CachedModel(inner, Store(":memory:"))
    answers = asyncio.run(
        model.complete([request("a river"), request("a river"), request("a river", sample=1)])
    )
    assert inner.calls == 2
    assert answers[0].text == answers[1].text != answers[2].text


def test_another_model_has_other_keys() -> None:
    store = Store(":memory:")
    for seed in (0, 1):
        inner = ScriptedModel(seed=seed)
        asyncio.run(CachedModel(inner, store).complete([request("a river")]))
        assert inner.calls == 1
    assert store.count("call") == 2


def test_progress_counts_stored_requests_and_batches() -> None:
    seen: list[tuple[int, int]] = []
    store = Store(":memory:")
    asked = [request(f"topic number {number:02d}") for number in range(5)]
    asyncio.run(CachedModel(ScriptedModel(), store).complete(asked[:1]))
    model = CachedModel(
        ScriptedModel(batch_size=2),
        store,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    asyncio.run(model.complete(asked))
    assert seen == [(1, 5), (2, 5), (4, 5), (5, 5)]


def test_a_crash_keeps_the_batches_before_it() -> None:
    store = Store(":memory:")
    asked = [request(f"topic number {number:02d}") for number in range(6)]
    with pytest.raises(RuntimeError, match="request 5"):
        asyncio.run(CachedModel(ScriptedModel(batch_size=2, fail_at=5), store).complete(asked))
    assert store.count("call") == 4
    again = ScriptedModel(batch_size=2)
    asyncio.run(CachedModel(again, store).complete(asked))
    assert [r.messages[0].content for r in again.requests] == ["topic number 04", "topic number 05"]


def test_errors_are_returned_but_not_stored() -> None:
    store = Store(":memory:")
    asked = [request("one long way"), request("two long ways")]
    broken = CachedModel(ScriptedModel(error_at=frozenset({1})), store)
    kinds = [answer.outcome.kind for answer in asyncio.run(broken.complete(asked))]
    assert sorted(kinds) == ["error", "ok"]
    assert store.count("call") == 1
    healed = asyncio.run(CachedModel(ScriptedModel(), store).complete(asked))
    assert [answer.outcome.kind for answer in healed] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("reasoning", "in_flight", "stored"),
    [("", 0, 1), ("Hm.", 0, 0), ("", 4, 0)],
    ids=["blanks of a local model", "thoughts of a local model", "a chat model's limit"],
)
def test_a_limit_that_thoughts_used_up_is_not_an_answer(
    reasoning: str, in_flight: int, stored: int
) -> None:
    """A local model shows its thoughts: where it wrote only blanks, that is its answer."""

    class Blank(ScriptedModel):
        @property
        def in_flight(self) -> int:
            return in_flight

        async def complete(self, requests: Sequence[Request]) -> list[Completion]:
            self.requests += requests
            cut = Completion(
                "\n\n", finish="length", outcome=Outcome("truncated"), reasoning=reasoning
            )
            return [cut for _ in requests]

    store, model = Store(":memory:"), Blank()
    cached = CachedModel(model, store)
    for _ in range(2):
        asyncio.run(cached.complete([request("And the river?")]))
    assert store.count("call") == stored
    assert len(model.requests) == 2 - stored


def test_lookup_gives_back_what_was_asked_and_answered() -> None:
    store = Store(":memory:")
    asked = Request(
        (Message("system", "Be kind."), Message("user", "And the river?")),
        prefill="I think",
        temperature=0.7,
        stop=("\n\n", "END"),
        seed=3,
    )
    model = CachedModel(ScriptedModel(), store)
    [answer] = asyncio.run(model.complete([asked]))
    found, stored = lookup_call(store, answer.key)
    assert found == asked
    assert stored.text == answer.text
    assert stored.usage == answer.usage
    with pytest.raises(KeyError, match="no call"):
        lookup_call(store, "0" * 64)


def test_a_stored_call_of_another_shape_names_its_key() -> None:
    store = Store(":memory:")
    model = CachedModel(ScriptedModel(), store)
    key = request("a river").key(model.fingerprint)
    store.put_many("call", {key: {"request": {}, "completion": {"words": ""}}})
    with pytest.raises(StoreError, match=key):
        asyncio.run(model.complete([request("a river")]))


def test_scores_are_stored_and_ignore_sampling_settings() -> None:
    inner, store = ScriptedModel(batch_size=2), Store(":memory:")
    model = CachedModel(inner, store)
    texts = [(request("a river"), "It flows."), (request("a river"), "It is wet and cold.")]
    first = asyncio.run(model.score(texts))
    other = Request((Message("user", "a river"),), temperature=0.9, seed=5)
    second = asyncio.run(model.score([(other, "It is wet and cold."), (other, "It flows.")]))
    assert inner.scored == 2
    assert second == first[::-1]
    assert first[0] != first[1]


def test_kill_then_resume_repeats_no_stored_call_and_ends_alike(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole = subprocess.run(worker(tmp_path / "whole", 0), capture_output=True, check=True)
    killed = tmp_path / "killed"
    running = subprocess.Popen(worker(killed, 0.3))
    deadline = time.monotonic() + 60
    while not (killed / "log").exists() or len(batches(killed)) < 4:
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    with sqlite3.connect(killed / "c.sqlite") as db:
        stored = {
            json.loads(value)["request"]["messages"][0]["content"]
            for (value,) in db.execute("SELECT value FROM entries")
        }
    before = len(batches(killed))
    assert 4 * (before - 1) <= len(stored) < 30
    resumed = subprocess.run(worker(killed, 0), capture_output=True, check=True)
    after = batches(killed)[before:]
    assert not stored & {text for batch in after for text in batch}
    assert resumed.stdout == whole.stdout
    plan = batches(tmp_path / "whole")
    assert after == plan[len(plan) - len(after) :]  # the same batches, not new ones


def test_a_requests_plain_form_is_that_of_its_fields() -> None:
    request = Request(
        (Message("system", "a"), Message("user", "b")), "x", 0.5, 0.9, 7, 3, 2, '{"a": 1}', ("\n",)
    )
    plain = json.loads(json.dumps(request.plain()))
    assert plain == json.loads(json.dumps(asdict(request)))
