"""What a server's refusal means: of one request, of a parameter, or of all requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from anlage.llm.chat.errors import classify
from anlage.llm.chat.model import ChatModel
from anlage.llm.chat.settings import ChatSettings
from anlage.llm.chat.spec import parse_chat_spec
from anlage.llm.message import Message
from anlage.llm.request import Completion, Request

from ...helpers.raw_server import RawServer, Reply, answered

QUICK = ChatSettings(attempts=3, backoff=0.01, max_wait=0.1, call_timeout=10.0, in_flight=4)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "ANLAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def ask(reply: Reply, count: int = 1, **fields: Any) -> tuple[list[Completion], RawServer]:
    server = RawServer(reply)
    spec = parse_chat_spec(f"openai:m@{server.url}")
    assert spec is not None
    requests = [
        Request((Message("user", f"q{n}"),), **{"max_tokens": 16, **fields}) for n in range(count)
    ]
    return asyncio.run(ChatModel(spec, settings=QUICK).complete(requests)), server


FINE = answered("Fine.")


@pytest.mark.parametrize(
    "flagged",
    [
        (403, {"error": {"message": "Input was flagged by moderation: illicit", "code": 403}}),
        (400, {"error": {"message": "filtered", "code": "content_filter", "param": "prompt"}}),
        (403, {"message": "The request violates our usage policies."}),
        (422, {"detail": "unsafe content"}),
        (401, {"error": {"message": "prohibited content in the prompt"}}),
        (200, {"error": {"message": "blocked by the content policy", "code": 403}}),
    ],
)
def test_a_screened_prompt_is_the_outcome_of_that_request(flagged: tuple[int, Any]) -> None:
    found, server = ask(
        lambda body: flagged if body["messages"][-1]["content"] == "q3" else FINE, 40
    )
    assert [n for n, answer in enumerate(found) if answer.outcome.kind != "ok"] == [3]
    assert found[3].outcome.kind == "error"
    assert len(server.bodies) == 40


@pytest.mark.parametrize(
    "refused",
    [
        (402, {"error": {"message": "Insufficient credits", "code": 402}}),
        (200, {"error": {"message": "This request requires more credits", "code": 402}}),
        (200, {"error": {"message": "Your credit balance is too low"}}),
        (400, {"type": "error", "error": {"message": "Your credit balance is too low to go on"}}),
        (429, {"error": {"message": "quota", "code": "insufficient_quota"}}),
        (403, {"error": {"message": "This API key has no access to the model"}}),
        (403, {"error": {"message": "Your account was flagged for violating our usage policies"}}),
        (200, {"error": {"message": "invalid api key", "code": "invalid"}}),
    ],
)
def test_what_concerns_the_account_stops_the_sending_and_says_how_to_go_on(
    refused: tuple[int, Any],
) -> None:
    found, server = ask(lambda _: refused, 40)
    assert {answer.outcome.kind for answer in found} == {"error"}
    assert len(server.bodies) <= QUICK.in_flight
    assert "Nothing more was sent" in found[-1].outcome.reason


def test_403s_without_a_reason_stop_the_sending_only_where_nothing_was_answered() -> None:
    silent = (403, {"error": {"message": "Forbidden"}})
    found, server = ask(lambda _: silent, 40)
    assert len(server.bodies) <= 1 + 2 * QUICK.in_flight
    assert "Nothing more was sent" in found[-1].outcome.reason
    found, server = ask(
        lambda body: FINE if int(body["messages"][-1]["content"][1:]) % 5 == 0 else silent, 40
    )
    assert sum(answer.outcome.kind == "ok" for answer in found) == 8


def limits(server: RawServer) -> list[set[str]]:
    names = {"max_tokens", "max_completion_tokens"}
    return [names & set(body) for body in server.bodies]


def refuses(*names: str, together: bool = False) -> Reply:
    """Refuses each of the names, or only all of them at once."""

    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        found = [name for name in names if name in body]
        if (together and len(found) == len(names)) or (found and not together):
            return 400, {"error": {"message": f"Unsupported: {' and '.join(found)}."}}
        return FINE

    return reply


@pytest.mark.parametrize(
    ("reply", "left"),
    [
        (refuses("max_tokens", "max_completion_tokens", together=True), {"max_completion_tokens"}),
        (refuses("max_completion_tokens"), {"max_tokens"}),
        (refuses("max_tokens"), {"max_completion_tokens"}),
    ],
)
def test_of_two_limits_one_is_left_out(reply: Reply, left: set[str]) -> None:
    found, server = ask(reply, 6)
    assert {answer.outcome.kind for answer in found} == {"ok"}
    assert limits(server)[-1] == left


def test_the_last_limit_is_never_left_out() -> None:
    found, server = ask(refuses("max_tokens", "max_completion_tokens"))
    assert found[0].outcome.kind == "error"
    assert all(limits(server))
    assert len(server.bodies) <= 4


EXTRA = {
    "detail": [
        {
            "type": "extra_forbidden",
            "loc": ["body", "max_completion_tokens"],
            "msg": "Extra inputs are not permitted",
            "input": 16,
        }
    ]
}


@pytest.mark.parametrize(
    ("status", "body", "name"),
    [
        (422, {"object": "error", "message": EXTRA, "type": "invalid"}, "max_completion_tokens"),
        (422, EXTRA, "max_completion_tokens"),
        (400, [{"error": {"code": 400, "message": 'Unknown name "seed": no such field.'}}], "seed"),
        (400, {"error": {"message": "`temperature` is deprecated for this model."}}, "temperature"),
        (400, {"message": "temperature unavailable for m"}, "temperature"),
        (400, {"error": {"message": "Not here", "param": "temperature"}}, "temperature"),
        (400, {"error": "parameter seed nicht erlaubt"}, "seed"),
    ],
)
def test_a_refused_parameter_is_known_by_its_name_in_the_body(
    status: int, body: Any, name: str
) -> None:
    found, server = ask(lambda sent: (status, body) if name in sent else FINE, 3)
    assert {answer.outcome.kind for answer in found} == {"ok"}
    assert name not in server.bodies[-1]
    others = {"temperature", "seed", "max_tokens"} - {name}
    assert others <= set(server.bodies[-1])


def test_of_two_that_do_not_go_together_one_stays() -> None:
    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        if {"temperature", "top_p"} <= set(body):
            return 400, {"message": "`temperature` and `top_p` cannot both be specified."}
        return FINE

    found, server = ask(reply, temperature=0.7, top_p=0.9)
    assert found[0].outcome.kind == "ok"
    assert "temperature" in server.bodies[-1]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (422, EXTRA["detail"], "max_completion_tokens: Extra inputs"),
        (400, {"error": {"message": "max_tokens is too large: 99999"}}, "too large"),
        (400, {"error": {"message": "This model's maximum context length is 8 tokens"}}, "context"),
        (418, {"errors": [{"reason": "teapot"}]}, "teapot"),
    ],
)
def test_the_reason_in_a_body_is_kept_and_shown(status: int, body: Any, said: str) -> None:
    found, server = ask(lambda _: (status, body))
    assert found[0].outcome.kind == "error"
    assert said in found[0].outcome.reason
    assert all(limits(server))


def test_a_word_of_the_prompt_in_a_refusal_leaves_nothing_out_for_others() -> None:
    def reply(body: dict[str, Any]) -> tuple[int, Any]:
        if body["messages"][-1]["content"] == "q1":
            return 400, {"message": "cannot answer about the temperature of the sun"}
        return FINE

    found, server = ask(reply, 20)
    assert sum(answer.outcome.kind == "ok" for answer in found) == 19
    assert "temperature" in server.bodies[-1]


def test_an_error_without_a_server_is_told_by_its_class() -> None:
    assert classify(TimeoutError()).kind == "busy"
    assert "no answer in time" in classify(TimeoutError()).reason
    assert classify(ConnectionResetError("gone")).kind == "retry"
    assert classify(KeyError("choices")).kind == "retry"
    assert classify(UnicodeEncodeError("utf-8", "x", 0, 1, "half")).kind == "refused"
