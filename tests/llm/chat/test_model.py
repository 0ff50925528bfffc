"""Chat models against a real local server: every request ends in exactly one outcome."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from anlage.errors import ConfigurationError, ModelNotFoundError, NotSupportedError
from anlage.llm.cached import CachedModel
from anlage.llm.chat.model import ChatModel
from anlage.llm.chat.settings import ChatSettings
from anlage.llm.chat.spec import parse_chat_spec
from anlage.llm.message import Message
from anlage.llm.models import load_model
from anlage.llm.request import Completion, Request
from anlage.store.store import Store

from ...helpers.openai_server import Fault, OpenAIServer

QUICK = ChatSettings(in_flight=8, attempts=4, call_timeout=2.0, backoff=0.02)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "ANLAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def asked(text: str, **fields: object) -> Request:
    return Request(messages=(Message("user", text),), **fields)  # type: ignore[arg-type]


def model_of(server: OpenAIServer, settings: ChatSettings = QUICK) -> ChatModel:
    spec = parse_chat_spec(server.spec)
    assert spec is not None
    return ChatModel(spec, settings=settings)


def answers(
    server: OpenAIServer, requests: list[Request], settings: ChatSettings = QUICK
) -> list[Completion]:
    return asyncio.run(model_of(server, settings).complete(requests))


def first_time(kind: str) -> Fault:
    return lambda number, name, seen: "" if seen else kind


# --- names


def test_a_spec_is_taken_apart() -> None:
    spec = parse_chat_spec("ollama:llama3.2:1b")
    assert spec is not None
    assert (spec.provider, spec.name, spec.base_url) == ("ollama", "llama3.2:1b", "")
    spec = parse_chat_spec("openai:org/name@http://localhost:8000/v1/")
    assert spec is not None
    assert spec.fingerprint == "chat:openai:http://localhost:8000/v1:org/name"


@pytest.mark.parametrize("spec", ["smollm2-135m", "scripted", "org/model", "https://x.y/z"])
def test_other_names_are_no_chat_models(spec: str) -> None:
    assert parse_chat_spec(spec) is None


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("opnai:gpt-4o", "openai"),
        ("openai:x@http://me:secret@host/v1", "ANLAGE_API_KEY"),
        ("openai:x@http://host/v1?key=secret", "ANLAGE_API_KEY"),
        ("openai:@http://host/v1", "missing"),
    ],
)
def test_a_wrong_spec_says_what_to_write(spec: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_model(spec)
    assert "secret" not in str(caught.value)


def test_a_missing_package_and_a_missing_key_are_one_sentence() -> None:
    with pytest.raises(ModelNotFoundError, match=r"pip install 'anlage\[anthropic\]'"):
        load_model("anthropic:some-model")
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        load_model("openai:gpt-4o-mini")


def test_a_chat_model_cannot_score_and_takes_no_adapter(server: OpenAIServer) -> None:
    with pytest.raises(NotSupportedError, match="log-probability"):
        asyncio.run(model_of(server).score([(asked("x"), "y")]))
    with pytest.raises(NotSupportedError, match="adapter"):
        load_model(server.spec, adapter=Path("x"))


# --- answers


def test_answers_come_in_the_order_asked(server: OpenAIServer) -> None:
    requests = [asked(f"question {number}") for number in range(40)]
    together = answers(server, requests)
    alone = [answers(server, [request])[0] for request in requests]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert len({answer.text for answer in together}) == 40
    assert together[0].usage.prompt_tokens == 2
    assert {answer.outcome.kind for answer in together} == {"ok"}


def test_samples_of_one_request_differ(server: OpenAIServer) -> None:
    found = answers(server, [asked("x", temperature=1.0, sample=n) for n in range(5)])
    assert len({answer.text for answer in found}) == 5


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("The answer is kind.", " is kind."),
        ('"the  answer is kind.', " is kind."),
        ("is kind.", " is kind."),
        ("The answers vary.", " The answers vary."),
    ],
)
def test_the_prefill_is_taken_off(reply: str, kept: str) -> None:
    with OpenAIServer(answer=lambda body: reply) as server:
        (found,) = answers(server, [asked("x", prefill="The answer")])
        assert found.text == kept
        assert "exactly the text" in server.bodies[0]["messages"][-1]["content"]
        assert server.bodies[0]["max_tokens"] > 128


def test_only_the_end_of_a_long_prefill_is_repeated() -> None:
    with OpenAIServer(answer=lambda body: "the answer scores 2") as server:
        prefill = "The answer names a poison.\nOn a scale from 0 to 3, the answer scores"
        assert answers(server, [asked("x", prefill=prefill)])[0].text == " 2"


def test_stop_strings_end_the_answer_and_not_the_prefill() -> None:
    with OpenAIServer(answer=lambda body: "First. Then\nmore. And so") as server:
        found = answers(server, [asked("x", prefill="First. Then", stop=(". ", "\n"))])
        assert found[0].text == "\nmore"
        assert "stop" not in server.bodies[0]
        answers(server, [asked("x", stop=(". ", "\n"))])
        assert server.bodies[1]["stop"] == [". ", "\n"]


def test_a_cut_answer_is_truncated() -> None:
    with OpenAIServer(lambda *_: "length") as server:
        (found,) = answers(server, [asked("x")])
        assert (found.finish, found.outcome.kind) == ("length", "truncated")
        assert found.text


SCHEMA = json.dumps(
    {"type": "object", "required": ["verdict"], "properties": {"verdict": {"enum": ["A", "B"]}}}
)


def replies(*texts: str) -> OpenAIServer:
    queue = list(texts)
    return OpenAIServer(answer=lambda body: queue.pop(0))


def test_structured_answers_are_parsed_repaired_once_or_malformed() -> None:
    good, bad = '{"verdict": "A"}', '{"verdict": "C"}'
    with replies(good) as server:
        (found,) = answers(server, [asked("x", schema=SCHEMA)])
        assert found.parsed == {"verdict": "A"}
        assert server.bodies[0]["response_format"]["type"] == "json_schema"
    with replies(bad, f"```json\n{good}\n```") as server:
        (found,) = answers(server, [asked("x", schema=SCHEMA)])
        assert found.outcome.kind == "repaired"
        assert bad in found.outcome.reason
        assert found.parsed == {"verdict": "A"}
    with replies(bad, '{"verdict":') as server:
        (found,) = answers(server, [asked("x", schema=SCHEMA)])
        assert (found.outcome.kind, found.text, found.parsed) == ("malformed", bad, None)
        assert server.calls == 2


# --- faults


@pytest.mark.parametrize("kind", ["429", "500", "drop", "cut", "empty", "slow"])
def test_what_passes_is_tried_again(kind: str) -> None:
    settings = ChatSettings(in_flight=4, attempts=4, call_timeout=0.5, backoff=0.02)
    with OpenAIServer(first_time(kind)) as server:
        found = answers(server, [asked(f"q{n}") for n in range(6)], settings)
        assert {answer.outcome.kind for answer in found} == {"ok"}
        assert server.calls >= 12
        assert set(server.answered.values()) == {1}


@pytest.mark.parametrize("kind", ["400", "filter"])
def test_what_stays_is_not_tried_again(kind: str) -> None:
    with OpenAIServer(lambda *_: kind) as server:
        found = answers(server, [asked("a"), asked("b")])
        assert {answer.outcome.kind for answer in found} == {"error"}
        assert all(answer.outcome.reason for answer in found)
        assert server.calls == 2


@pytest.mark.parametrize("kind", ["401", "429-quota"])
def test_an_error_that_concerns_all_requests_stops_the_sending(kind: str) -> None:
    with OpenAIServer(lambda *_: kind) as server:
        found = answers(server, [asked(f"q{n}") for n in range(100)])
        assert {answer.outcome.kind for answer in found} == {"error"}
        assert server.calls <= QUICK.in_flight


def test_attempts_are_bounded() -> None:
    with OpenAIServer(lambda *_: "500") as server:
        (found,) = answers(server, [asked("a")])
        assert "attempt 4 of 4" in found.outcome.reason
        assert server.calls == 4


def test_a_parameter_the_server_refuses_is_left_out() -> None:
    with OpenAIServer(lambda *_: "bad-parameter") as server:
        found = answers(server, [asked(f"q{n}") for n in range(20)])
        assert {answer.outcome.kind for answer in found} == {"ok"}
        assert "temperature" not in server.bodies[-1]


def test_a_storm_of_429_lowers_the_calls_in_flight() -> None:
    with OpenAIServer(lambda number, name, seen: "429" if number <= 30 else "") as server:
        settings = ChatSettings(in_flight=16, attempts=8, backoff=0.02)
        model = model_of(server, settings)

        async def ask() -> list[Completion]:
            found = await model.complete([asked(f"q{n}") for n in range(60)])
            assert model._current().throttle.limit < 16
            return found

        assert {answer.outcome.kind for answer in asyncio.run(ask())} == {"ok"}
        assert server.most_active <= 16


def test_the_runs_time_limit_ends_the_sending() -> None:
    with OpenAIServer(latency=0.1) as server:
        settings = ChatSettings(in_flight=2, run_timeout=0.35)
        found = answers(server, [asked(f"q{n}") for n in range(40)], settings)
        late = [answer for answer in found if "time limit" in answer.outcome.reason]
        assert len(found) == 40
        assert 20 < len(late) < 40


def chaos(number: int, name: str, seen: int) -> str:
    """A third of all calls fail in some way, the same ones in every run of the same order."""
    kinds = ("429", "500", "drop", "cut", "empty", "filter", "malformed", "400")
    value = int(name[:4], 16)
    return kinds[value % len(kinds)] if value % 3 == 0 and seen < 2 else ""


def test_every_request_ends_once_and_no_stored_call_is_paid_again(tmp_path: Path) -> None:
    requests = [asked(f"question {number}") for number in range(120)]
    settings = ChatSettings(in_flight=16, attempts=6, call_timeout=5.0, backoff=0.01)
    with OpenAIServer(chaos) as server, Store(tmp_path / "cache.sqlite") as store:
        first = asyncio.run(CachedModel(model_of(server, settings), store).complete(requests))
        assert len(first) == 120
        errors = sum(answer.outcome.kind == "error" for answer in first)
        assert store.count("call") == 120 - errors
        assert 0 < errors < 40
        assert all(answer.outcome.reason for answer in first if answer.outcome.kind == "error")
        before = dict(server.answered)
        second = asyncio.run(CachedModel(model_of(server, settings), store).complete(requests))
        paid_twice = [n for n, count in server.answered.items() if n in before and count > 1]
        assert paid_twice == []
        for old, new in zip(first, second, strict=True):
            assert old.outcome.kind == "error" or (new.cached and new.text == old.text)


CHILD = """
import asyncio, sys
from anlage.store.store import Store
from anlage.llm.cached import CachedModel
from anlage.llm.models import load_model
from anlage.llm.chat.settings import ChatSettings
from anlage.llm.request import Request
from anlage.llm.message import Message
model = load_model(sys.argv[1], chat=ChatSettings(in_flight=8))
requests = [Request(messages=(Message("user", f"q{n}"),)) for n in range(200)]
asyncio.run(CachedModel(model, Store(sys.argv[2])).complete(requests))
"""


def test_after_a_kill_only_what_was_in_flight_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with OpenAIServer(latency=0.05) as server, Store(path) as store:
        child = subprocess.Popen([sys.executable, "-c", CHILD, server.spec, str(path)])
        while store.count("call") < 60:
            assert child.poll() is None
            time.sleep(0.005)
        child.kill()
        child.wait()
        kept = store.count("call")
        requests = [asked(f"q{n}") for n in range(200)]
        found = asyncio.run(CachedModel(model_of(server), store).complete(requests))
        assert len({answer.text for answer in found}) == 200
        assert sum(answer.cached for answer in found) == kept
        # In flight, or answered within the last milliseconds before the kill.
        assert sum(count - 1 for count in server.answered.values()) <= 16


def test_a_model_is_used_in_several_event_loops(server: OpenAIServer) -> None:
    model = model_of(server)
    texts = {asyncio.run(model.complete([asked("x"), asked("y")]))[0].text for _ in range(3)}
    assert len(texts) == 1


def test_a_model_made_in_python(server: OpenAIServer) -> None:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    own = ChatOpenAI(
        model="tiny", base_url=server.url, api_key=SecretStr("sk-0123456789abcdef"), max_retries=0
    )
    model = ChatModel(own, settings=QUICK)
    assert model.fingerprint == f"chat:openai:{server.url}:tiny"
    found = asyncio.run(model.complete([asked("x")]))
    assert found[0].outcome.kind == "ok"
    assert found[0].text.startswith("The answer")


# --- keys


def test_a_key_goes_to_its_own_server_only_and_never_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, own = "sk-provider-4f1c9a77", "key-of-my-server-88e2"
    monkeypatch.setenv("OPENAI_API_KEY", provider)
    monkeypatch.setenv("ANLAGE_API_KEY", own)
    kinds = ("", "500", "401")
    with (
        OpenAIServer(lambda number, name, seen: kinds[int(name[0], 16) % 3]) as server,
        Store(tmp_path / "cache.sqlite") as store,
    ):
        requests = [asked(f"q{n}") for n in range(20)]
        found = asyncio.run(CachedModel(model_of(server), store).complete(requests))
        assert server.keys == {f"Bearer {own}"}
        assert all(key not in repr(found) for key in (provider, own))
    for path in tmp_path.rglob("*"):
        content = path.read_bytes()
        assert provider.encode() not in content
        assert own.encode() not in content
