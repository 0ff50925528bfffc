"""An answer is `ok` only where it is proved whole; thoughts never become a part of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from anlage.cli.app import app
from anlage.llm.cached import CachedModel, survey
from anlage.llm.chat.model import ChatModel
from anlage.llm.chat.parameters import parameters, thinking_options
from anlage.llm.chat.settings import ChatSettings
from anlage.llm.chat.spec import parse_chat_spec
from anlage.llm.message import Message
from anlage.llm.request import Completion, Request
from anlage.store.store import Store
from typer.testing import CliRunner

from ...helpers.raw_server import RawServer, Reply, answered

QUICK = ChatSettings(attempts=3, backoff=0.01, max_wait=0.1, call_timeout=10.0, in_flight=4)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "ANLAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def asked(text: str = "q", **fields: Any) -> Request:
    return Request((Message("user", text),), **{"max_tokens": 16, **fields})


def model_of(server: RawServer, settings: ChatSettings = QUICK) -> ChatModel:
    spec = parse_chat_spec(f"openai:m@{server.url}")
    assert spec is not None
    return ChatModel(spec, settings=settings)


def one(reply: Reply, request: Request | None = None) -> tuple[Completion, RawServer]:
    server = RawServer(reply)
    (answer,) = asyncio.run(model_of(server).complete([request or asked()]))
    return answer, server


# --- whole, or not


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (answered(None), "empty"),
        (answered(""), "empty"),
        (answered(" \n"), "empty"),
        (answered("Fine.", "recitation"), "withheld"),
        (answered("Fine.", "RECITATION"), "withheld"),
        (answered("Fine.", "SPII"), "withheld"),
        (answered("Fine.", "content_filter"), "withheld"),
        (answered("Fine.", "error"), "not known"),
        (answered("Fine.", "abort"), "not known"),
        (answered("Fine.", None), "no finish reason"),
        (answered("Fine.", "model_context_window_exceeded"), "context"),
        (answered("Fine.", "tool_calls"), "tool"),
        (answered(None, refusal="I cannot."), "withheld"),
        (
            answered(
                "Fine.",
                tool_calls=[
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            ),
            "tool",
        ),
        (answered("<think>\nHm.\n</think>\n"), "empty"),
        (answered(None, reasoning_content="Hm."), "empty"),
    ],
)
def test_what_is_not_proved_whole_is_an_error_and_is_not_stored(reply: Any, said: str) -> None:
    server = RawServer(lambda _: reply)
    with Store(":memory:") as store:
        (found,) = asyncio.run(CachedModel(model_of(server), store).complete([asked()]))
        assert found.outcome.kind == "error"
        assert said in found.outcome.reason
        assert store.count("call") == 0


@pytest.mark.parametrize("finish", ["stop", "STOP", "end_turn", "eos", "COMPLETE", "stop_sequence"])
def test_known_finish_reasons_are_whole(finish: str) -> None:
    found, _ = one(lambda _: answered("Fine.", finish))
    assert (found.outcome.kind, found.text) == ("ok", "Fine.")


def test_a_stop_string_of_ours_is_proof_of_its_own() -> None:
    found, _ = one(lambda _: answered("One. Two.", None), asked(stop=(". ",)))
    assert (found.outcome.kind, found.text) == ("ok", "One")


def test_one_half_character_fails_alone_and_is_stored_with_its_outcome() -> None:
    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        text = body["messages"][-1]["content"]
        return answered({"q3": "half \ud83d", "q5": "\udc9b"}.get(text, "Fine."))

    server = RawServer(reply)
    requests = [asked(f"q{n}") for n in range(8)]
    with Store(":memory:") as store:
        model = CachedModel(model_of(server), store)
        first = asyncio.run(model.complete(requests))
        again = asyncio.run(model.complete(requests))
        assert [a.outcome.kind for a in first].count("malformed") == 2
        assert first[3].text == "half \ufffd"
        assert store.count("call") == len(server.bodies) == 8
        assert [a.text for a in again] == [a.text for a in first]


def test_half_a_character_in_a_question_fails_alone_and_is_not_sent() -> None:
    server = RawServer(lambda _: answered("Fine."))
    with Store(":memory:") as store:
        requests = [asked("a"), asked("b \ud83d"), asked("c", prefill="\udc00")]
        found = asyncio.run(CachedModel(model_of(server), store).complete(requests))
    assert [answer.outcome.kind for answer in found] == ["ok", "error", "error"]
    assert len(server.bodies) == 1


@pytest.mark.parametrize(("read", "kind"), [(4096, "error"), (9000, "ok"), (0, "ok")])
def test_a_server_that_reads_less_than_was_sent(read: int, kind: str) -> None:
    usage = {"prompt_tokens": read, "completion_tokens": 3, "total_tokens": read + 3}
    found, _ = one(lambda _: answered("Fine.", usage=usage), asked("seven words " * 4000))
    assert found.outcome.kind == kind
    assert kind == "ok" or "read 4096 tokens" in found.outcome.reason


# --- thoughts


@pytest.mark.parametrize(
    "reply",
    [
        answered("<think>\nHm.\n</think>\n\nNo."),
        answered("Hm.\n</think>\n\nNo."),
        answered("No.", reasoning_content="Hm."),
        answered("No.", reasoning="Hm."),
        answered([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "No."}]),
        answered(
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": "No."},
            ]
        ),
    ],
)
def test_thoughts_are_kept_apart_and_stored(reply: Any) -> None:
    server = RawServer(lambda _: reply)
    with Store(":memory:") as store:
        model = CachedModel(model_of(server), store)
        for _ in range(2):
            (found,) = asyncio.run(model.complete([asked()]))
            assert (found.text, found.reasoning, found.outcome.kind) == ("No.", "Hm.", "ok")
        assert len(server.bodies) == 1


def test_the_prefill_is_taken_off_after_the_thoughts() -> None:
    found, _ = one(
        lambda _: answered("<think>So.</think>The answer is B"), asked(prefill="The answer")
    )
    assert found.text == " is B"


def starved(body: dict[str, Any]) -> tuple[int, Any]:
    """A model that thinks for 600 tokens, which it does not show."""
    usage = {"prompt_tokens": 9, "completion_tokens": 600, "total_tokens": 609}
    if body["max_completion_tokens"] < 600:
        return answered("", "length", usage=usage)
    return answered("Fine.", usage=usage)


def test_a_model_that_thinks_gets_room_and_both_calls_count() -> None:
    server = RawServer(starved)
    model = model_of(server)
    (found,) = asyncio.run(model.complete([asked()]))
    assert (found.outcome.kind, found.usage.completion_tokens) == ("ok", 1200)
    asyncio.run(model.complete([asked("another")]))
    assert [body["max_completion_tokens"] for body in server.bodies] == [16, 16 + 4096, 16 + 4096]
    assert model.token_limit(asked()) == 16 + 4096


def test_where_room_is_not_enough_the_limit_is_named_and_nothing_is_stored() -> None:
    settings = ChatSettings(reasoning_tokens=100, in_flight=2)
    server = RawServer(starved)
    with Store(":memory:") as store:
        (found,) = asyncio.run(CachedModel(model_of(server, settings), store).complete([asked()]))
        assert found.outcome.kind == "truncated"
        assert "116 tokens" in found.outcome.reason
        assert "chat.reasoning_tokens" in found.outcome.reason
        assert store.count("call") == 0


def test_a_verdict_gets_a_generous_limit_and_other_answers_their_own() -> None:
    _, server = one(lambda _: answered("A"), asked(max_tokens=1))
    assert server.bodies[0]["max_completion_tokens"] == 512
    _, server = one(lambda _: answered("A"), asked(max_tokens=40))
    assert server.bodies[0]["max_completion_tokens"] == 40


def test_a_models_own_limit_is_respected() -> None:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    server = RawServer(lambda _: answered("A"))
    own = ChatOpenAI(
        model="m",
        base_url=server.url,
        api_key=SecretStr("x"),
        max_retries=0,
        max_completion_tokens=4000,
    )
    asyncio.run(ChatModel(own, settings=QUICK).complete([asked(max_tokens=1)]))
    assert server.bodies[0]["max_completion_tokens"] == 4000
    assert "max_tokens" not in server.bodies[0]


def test_thoughts_told_in_the_total_alone_are_counted() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 512}
    found, _ = one(lambda _: answered("Fine.", usage=usage))
    assert found.usage.completion_tokens == 503


@pytest.mark.parametrize(("thinking", "on"), [("on", True), ("off", False)])
def test_thinking_is_asked_for_and_is_in_the_identity(thinking: Any, on: bool) -> None:
    server = RawServer(lambda _: answered("Fine."))
    model = model_of(server, ChatSettings(thinking=thinking, in_flight=2))
    asyncio.run(model.complete([asked()]))
    assert server.bodies[0]["chat_template_kwargs"]["enable_thinking"] is on
    assert model.fingerprint == f"chat:openai:{server.url}:m?thinking={thinking}"
    assert model_of(server).fingerprint == f"chat:openai:{server.url}:m"


def test_thinking_in_other_providers_words() -> None:
    off = ChatSettings(thinking="off")
    for provider, expected in (
        ("ollama", {"reasoning": False}),
        ("anthropic", {"thinking": {"type": "disabled"}}),
        ("deepseek", {"thinking": {"type": "disabled"}}),
        ("openai", {}),
    ):
        assert thinking_options(provider, "gpt-4o", off, own_server=False) == expected
    with pytest.raises(ValueError, match="cannot be told"):
        thinking_options("cohere", "x", off, own_server=False)


def test_ollama_is_told_how_much_context_is_needed() -> None:
    found = parameters("ollama", asked(), frozenset(), limit=16, context=8192)
    assert found["options"]["num_ctx"] == 8192
    assert found["options"]["num_predict"] == 16


@pytest.mark.parametrize(
    ("provider", "temperature", "top_p", "sent"),
    [
        ("openai", 0.7, 1.0, {"temperature"}),
        ("openai", 0.0, 0.9, {"temperature"}),
        ("openai", 0.7, 0.9, {"temperature", "top_p"}),
        ("anthropic", 0.7, 0.9, {"temperature"}),
        ("anthropic", 1.0, 0.9, {"top_p"}),
        ("cohere", 0.7, 1.0, {"temperature"}),
    ],
)
def test_only_what_was_asked_is_sent(
    provider: str, temperature: float, top_p: float, sent: set[str]
) -> None:
    request = asked(temperature=temperature, top_p=top_p)
    found = parameters(provider, request, frozenset(), limit=16)
    assert set(found) & {"temperature", "top_p"} == sent


# --- what earlier versions stored


def test_what_an_earlier_version_stored_is_served_rightly_or_asked_again(tmp_path: Path) -> None:
    server = RawServer(lambda _: answered("Fine."))
    model = model_of(server)
    texts = {"good": "Old.", "empty": "", "thought": "<think>Hm.</think>Old.", "all": "<think>Hm."}
    rows = {
        asked(name).key(model.fingerprint): {
            "request": asked(name).plain(),
            "completion": {
                "text": text,
                "parsed": None,
                "finish": "stop",
                "usage": {"prompt_tokens": 1, "completion_tokens": 1},
                "latency": 0.1,
                "logprobs": [],
                "outcome": {"kind": "ok", "reason": ""},
            },
        }
        for name, text in texts.items()
    }
    with Store(tmp_path / "cache.sqlite") as store:
        store.put_many("call", rows, model=model.fingerprint)
        before = survey(store, store.entries())
        assert (before.kept, before.parted, sum(before.dropped.values())) == (1, 1, 2)
        said = CliRunner().invoke(app, ["cache", "stats", "--runs", str(tmp_path)]).output
        assert (
            "Calls to chat models: 2 kept, 1 of them with thoughts taken off; asked again: "
            "1 whose answer is empty, 1 whose answer is only thoughts."
        ) in " ".join(said.split())
        for _ in range(2):
            found = asyncio.run(CachedModel(model, store).complete([asked(n) for n in texts]))
            assert [answer.text for answer in found] == ["Old.", "Fine.", "Old.", "Fine."]
            assert found[2].reasoning == "Hm."
        assert len(server.bodies) == 2
        assert not survey(store, store.entries()).dropped
        said = CliRunner().invoke(app, ["cache", "stats", "--runs", str(tmp_path)]).output
        assert "Calls to chat models: 4 kept, 1 of them" in " ".join(said.split())
