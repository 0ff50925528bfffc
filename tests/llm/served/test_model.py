"""A served model against the same one in this process: texts, scores, adapters, faults."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from anlage.errors import ConfigurationError, ModelNotFoundError, NotSupportedError
from anlage.llm.cached import CachedModel
from anlage.llm.chat.settings import ChatSettings
from anlage.llm.chat.spec import parse_chat_spec
from anlage.llm.local.model import LocalModel
from anlage.llm.message import Message
from anlage.llm.models import load_model
from anlage.llm.prices import NO_FEE, load_prices
from anlage.llm.request import Completion, Request, Wrapper
from anlage.llm.run_sync import run_sync
from anlage.llm.served.model import ServedModel
from anlage.llm.served.spec import parse_served
from anlage.store.store import Store

from ...helpers.served import Served
from ...helpers.tiny_model import make_tiny_model

QUICK = ChatSettings(attempts=3, backoff=0.05, call_timeout=30)
PATIENT = ChatSettings(attempts=600, backoff=0.5, max_wait=1, in_flight=4)


def ask(number: int, **changes: Any) -> Request:
    text = f"How do I open door {number}{' of my house' * (number % 4)}?"
    return dataclasses.replace(Request((Message("user", text),), max_tokens=16), **changes)


REQUESTS = [
    ask(n, temperature=t, prefill=p, stop=s, seed=n, sample=n % 2)
    for n, (t, p, s) in enumerate(
        (t, p, s) for t in (0.0, 1.0) for p in ("", "I won") for s in ((), (" the", "e"))
    )
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="module")
def local(folder: Path) -> LocalModel:
    return LocalModel.load(folder, dtype="float32")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with Served(folder, adapters=folder.parent) as server:
        yield server


def served(
    server: Served, *urls: str, adapter: Path | None = None, settings: ChatSettings = QUICK
) -> ServedModel:
    spec = parse_served(f"served:{server.target}@{','.join(urls or (server.url,))}")
    assert spec is not None
    return ServedModel(spec, adapter=adapter, settings=settings)


def adapter_of(local: LocalModel, folder: Path, seed: int) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        name = str(local.tokenizer.name_or_path)
        tuned = get_peft_model(LocalModel.load(name, dtype="float32").model, config)
    tuned.save_pretrained(str(folder))
    return folder


def said(answers: Sequence[Completion]) -> list[Any]:
    return [(one.text, one.finish, one.usage, one.outcome, one.parsed) for one in answers]


def test_texts_are_those_of_the_local_model(server: Served, local: LocalModel) -> None:
    raw = Request((), prefill="How do I ", max_tokens=9)
    long = ask(0, max_tokens=2000)
    requests = [*REQUESTS, raw, long, ask(1, max_tokens=1), ask(2, schema="{}")]
    expected = run_sync(local.complete(requests))
    found = run_sync(load_model(server.spec).complete(requests))
    assert said(found) == said(expected)
    assert len({one.text for one in found}) > 5
    assert found[-3].outcome.kind == "error"
    assert "exceed the model's context of 1024" in found[-3].outcome.reason
    for one, other in zip(found, expected, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_room_for_thoughts_is_that_of_the_local_model(server: Served) -> None:
    requests = [ask(0, max_tokens=5), ask(1, max_tokens=5, prefill="It is"), ask(2)]
    for room in (40, 10**6):
        chat = ChatSettings(thinking="on", reasoning_tokens=room)
        here = LocalModel.load(server.target, dtype="float32", thinking="on", reasoning_tokens=room)
        there = load_model(server.spec, chat=chat)
        found, expected = (run_sync(one.complete(requests)) for one in (there, here))
        assert said(found) == said(expected)
        assert found[0].usage.completion_tokens > 5
        assert found[1].usage.completion_tokens <= 5


def test_scores_are_those_of_the_local_model(server: Served, local: LocalModel) -> None:
    answers = ("I won't help with that.", "Yes", "", " Explain how people keep safe.")
    texts = [(request, answer) for request in REQUESTS[:4] for answer in answers]
    greedy = run_sync(local.complete([ask(0)]))[0].text
    texts += [(ask(0), greedy), (ask(1), "word " * 1500)]
    found, expected = (run_sync(one.score(texts)) for one in (load_model(server.spec), local))
    for one, other in zip(found, expected, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4, nan_ok=True)
        assert (one.tokens, one.greedy, one.reason) == (other.tokens, other.greedy, other.reason)
    assert found[-1].reason.startswith("a conversation of ")
    assert run_sync(load_model(server.spec).score([])) == []


def test_an_adapter_is_loaded_swapped_and_unloaded(
    server: Served, local: LocalModel, folder: Path
) -> None:
    texts = {}
    for seed in (1, 2):
        adapter = adapter_of(local, folder.parent / f"adapter{seed}", seed)
        model = served(server, adapter=adapter)
        here = LocalModel.load(folder, adapter=adapter, dtype="float32")
        texts[seed] = said(run_sync(model.complete(REQUESTS[:4])))
        assert texts[seed] == said(run_sync(here.complete(REQUESTS[:4])))
        assert [name[:7] for name in server.adapter_names()] == ["anlage-"]
        run_sync(model.complete(REQUESTS[:1]))  # another event loop finds it loaded
        run_sync(model.unload())
        assert server.adapter_names() == []
    assert texts[1] != texts[2] != said(run_sync(local.complete(REQUESTS[:4])))


def test_the_fingerprint_holds_the_weights_and_not_the_address(
    server: Served, folder: Path, local: LocalModel
) -> None:
    first = served(server).fingerprint
    assert first.startswith("served:")
    assert served(server, "http://elsewhere:1/v1").fingerprint == first
    adapter = adapter_of(local, folder.parent / "adapter3", 3)
    assert served(server, adapter=adapter).fingerprint != first
    other = make_tiny_model(folder.parent / "other", seed=1)
    spec = parse_served(f"served:{other}@{server.url}")
    assert spec is not None
    assert ServedModel(spec).fingerprint != first
    assert load_prices().price(str(spec)) is NO_FEE


def test_one_of_two_servers_is_down_and_the_other_answers_all(
    server: Served, local: LocalModel
) -> None:
    model = served(server, "http://127.0.0.1:9/v1", server.url)
    assert model.in_flight == 128
    assert said(run_sync(model.complete(REQUESTS))) == said(run_sync(local.complete(REQUESTS)))


class Counting(Wrapper):
    """Counts what reaches the model, request by request."""

    def __init__(self, inner: ServedModel) -> None:
        super().__init__(inner)
        self.asked: Counter[str] = Counter()
        self.answered = 0

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked.update(request.key("") for request in requests)
        answers = await self.inner.complete(requests)
        self.answered += len(answers)
        return answers


def test_a_server_killed_in_the_middle_and_started_again_loses_nothing(
    folder: Path, local: LocalModel, tmp_path: Path
) -> None:
    requests = [ask(number, max_tokens=60) for number in range(40)]
    adapter = adapter_of(local, folder.parent / "adapter4", 4)
    here = LocalModel.load(folder, adapter=adapter, dtype="float32")
    with Served(folder, adapters=folder.parent) as server, Store(tmp_path / "s.sqlite") as store:
        counting = Counting(served(server, adapter=adapter, settings=PATIENT))
        answers: list[Completion] = []

        def work() -> None:
            answers.extend(run_sync(CachedModel(counting, store).complete(requests)))

        thread = threading.Thread(target=work)
        thread.start()
        while counting.answered < 5:
            thread.join(0.01)
        server.kill()
        assert thread.is_alive()
        server.start()  # without the adapter
        thread.join(120)
        assert said(answers) == said(run_sync(here.complete(requests)))
        assert set(counting.asked.values()) == {1}
        server.kill()
        again = run_sync(CachedModel(counting, store).complete(requests))
        assert all(one.cached for one in again)


def test_servers_that_are_all_down_stop_the_run_and_say_how_to_go_on(server: Served) -> None:
    model = served(server, "http://127.0.0.1:9/v1", "http://127.0.0.1:10/v1")
    with pytest.raises(ModelNotFoundError, match=r"no answer from .*9/v1, .*10/v1 in 3 attempts"):
        run_sync(model.complete(REQUESTS))
    with pytest.raises(ModelNotFoundError, match="run the same command"):
        run_sync(model.score([(ask(0), "Yes")]))


def test_another_model_or_other_weights_on_the_server_are_refused(
    server: Served, folder: Path
) -> None:
    other = make_tiny_model(folder.parent / "second", seed=2)
    spec = parse_served(f"served:{other}@{server.url}")
    assert spec is not None
    with pytest.raises(ModelNotFoundError, match=r"^http\S+ does not serve .*--served-model-name"):
        run_sync(ServedModel(spec, settings=QUICK).complete([ask(0)]))
    model = served(server)
    model._target = dataclasses.replace(model._target, weights="0" * 64)
    with pytest.raises(ModelNotFoundError, match=r"^http\S+ serves other weights"):
        run_sync(model.complete([ask(0)]))


def test_an_adapter_outside_the_servers_folder_is_refused_with_the_way_out(
    server: Served, local: LocalModel, tmp_path: Path
) -> None:
    adapter = adapter_of(local, tmp_path / "adapter", 5)
    with pytest.raises(NotSupportedError, match=r"is not inside .*--adapters"):
        run_sync(served(server, adapter=adapter).complete([ask(0)]))


def test_a_wrong_key_stops_everything_and_a_refused_request_is_its_own_outcome(
    folder: Path, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anlage.llm.served import replica

    found = replica.Replica.post
    status, said_ = 401, '{"error": {"message": "no such key"}}'

    async def post(self: Any, path: str, body: Any, timeout: float) -> Any:
        if path == "completions":
            raise replica.StatusError(self.url, status, said_)
        return await found(self, path, body, timeout)

    monkeypatch.setattr(replica.Replica, "post", post)
    with pytest.raises(ConfigurationError, match=r"no such key.*ANLAGE_API_KEY"):
        run_sync(served(server).complete([ask(0)]))
    status, said_ = 400, '{"error": {"message": "the prompt is too long"}}'
    (answer,) = run_sync(served(server).complete([ask(0)]))
    assert answer.outcome.kind == "error"
    assert "the prompt is too long" in answer.outcome.reason
    (score,) = run_sync(served(server).score([(ask(0), "Yes")]))
    assert "the prompt is too long" in score.reason


def test_a_server_without_prompt_logprobs_or_ids(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anlage.llm.served import replica

    found = replica.Replica.post

    async def post(self: Any, path: str, body: Any, timeout: float) -> Any:
        if path != "completions":
            return await found(self, path, body, timeout)
        return {"choices": [{"index": 0, "text": "Plain words.", "finish_reason": "stop"}]}

    monkeypatch.setattr(replica.Replica, "post", post)
    (answer,) = run_sync(served(server).complete([ask(0)]))
    assert (answer.text, answer.finish, answer.logprobs) == ("Plain words.", "stop", ())
    with pytest.raises(NotSupportedError, match="no log-probabilities of a prompt"):
        run_sync(served(server).score([(ask(0), "Yes")]))


@pytest.mark.parametrize(
    ("spec", "said_"),
    [
        ("served:m", "names no model and server"),
        ("served:@http://a/v1", "names no model and server"),
        ("served:m@http://u:p@host/v1", "must not hold a key"),
        ("served:m@http://a/v1,b:8000", "`b:8000` is not the address of a server"),
    ],
)
def test_a_wrong_name_says_its_form(spec: str, said_: str) -> None:
    with pytest.raises(ConfigurationError, match=said_):
        load_model(spec)


def test_a_name_is_taken_apart() -> None:
    spec = parse_served("served:org/m@http://a:1,https://b/x/v1/,http://a:1/v1")
    assert spec is not None
    assert (spec.name, spec.urls) == ("org/m", ("http://a:1/v1", "https://b/x/v1"))
    assert parse_served(str(spec)) == spec
    assert parse_served("openai:m@http://a/v1") is None
    assert parse_chat_spec(str(spec)) is None
