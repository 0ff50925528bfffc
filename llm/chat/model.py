"""Any LangChain chat model behind the `Model` seam."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import NotSupportedError
from ..request import Completion, FinishReason, Model, Outcome, Request, Score, Usage
from .clients import PARAMETER_NAMES, check_available, describe, parameters
from .connections import Connections
from .errors import Failure, classify
from .prompt import chat_messages, cut_at_stop, parse_answer, repair_messages, without_prefill
from .settings import ChatSettings
from .spec import ChatSpec

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_CUT = frozenset({"length", "max_tokens", "model_length", "MAX_TOKENS"})
_WITHHELD = frozenset({"content_filter", "refusal", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST"})


class ChatModel(Model):
    """Answers through a chat API; it cannot score.

    A request ends in exactly one completion: its answer, or an `error` outcome with the
    reason. Calls are retried on 429, overload, time-outs, server and network errors and
    unreadable answers, with jitter, and not on anything else. After an error that
    concerns every request (wrong key, no such model) nothing more is sent. A parameter
    that the server says it does not know (`temperature` of some models) is left out
    from then on.

    Prefill: no chat API takes one everywhere, so the model is *told* to begin its reply
    with it. `Completion.text` is what follows, as with a local model: a repetition of
    the prefill, or of its end, is taken off; an answer that does not repeat it is taken
    as its continuation. Stop strings are applied here where a prefill stands before them.

    Schema: sent as structured output to openai and ollama, and always as an instruction.
    An answer that does not fit is repaired once (`repaired`); after that it is
    `malformed`. The text is kept in every case.

    Args:
        model: A spec, or a LangChain chat model made in Python. Such a model should
            have its own retries off (`max_retries=0`), and it must not be used in two
            event loops where its package cannot bear that.
        settings: Limits of the calls.

    Raises:
        ModelNotFoundError: The provider's package is not installed.
        ConfigurationError: The provider's key is not set.
    """

    in_flight = 64
    batch_size = 256

    def __init__(
        self, model: ChatSpec | BaseChatModel, *, settings: ChatSettings | None = None
    ) -> None:
        self.settings = settings or ChatSettings()
        self.in_flight = self.settings.in_flight
        self.batch_size = 4 * self.in_flight
        self.sent = 0
        """Calls sent so far, repeated ones included."""
        if isinstance(model, ChatSpec):
            check_available(model)
            self.spec, self._own = model, None
        else:
            self.spec, self._own = describe(model), model
        self._connections: Connections | None = None
        self._dropped: set[str] = set()
        self._fatal = ""
        self._started: float | None = None

    @property
    def fingerprint(self) -> str:
        """Provider, address and model name."""
        return self.spec.fingerprint

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order asked; a failed one has an `error` outcome."""
        answers: dict[int, Completion] = {}
        waiting = iter(enumerate(requests))

        async def work() -> None:
            for index, request in waiting:
                answers[index] = await self._answer(request)

        if len(requests) == 1:
            return [await self._answer(requests[0])]
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.in_flight, len(requests))):
                group.create_task(work())
        return [answers[index] for index in range(len(requests))]

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Not possible with a chat API.

        Raises:
            NotSupportedError: Always.
        """
        raise NotSupportedError(
            f"{self.spec.provider}:{self.spec.name} is a chat model and gives no log-probability "
            "of a given text. Use a local model where texts are scored."
        )

    async def _answer(self, request: Request) -> Completion:
        first = await self._call(request, chat_messages(request))
        if not request.schema or first.outcome.kind == "error":
            return first
        value, problem = parse_answer(request.prefill + first.text, request.schema)
        if not problem:
            return replace(first, parsed=value)
        second = await self._call(request, repair_messages(request, first.text, problem))
        both = Usage(
            first.usage.prompt_tokens + second.usage.prompt_tokens,
            first.usage.completion_tokens + second.usage.completion_tokens,
        )
        if second.outcome.kind != "error":
            value, again = parse_answer(request.prefill + second.text, request.schema)
            if not again:
                outcome = Outcome("repaired", f"{problem}; first answer: {first.text}")
                return replace(second, parsed=value, usage=both, outcome=outcome)
        reason = f"{problem}, and repairing it failed"
        return replace(first, usage=both, outcome=Outcome("malformed", reason))

    async def _call(self, request: Request, messages: list[tuple[str, str]]) -> Completion:
        """Sends until there is an answer, or no reason left to try again."""
        attempt = 0
        while True:
            refusal = self._fatal or self._late()
            if refusal:
                return _failed(refusal)
            dropped = len(self._dropped)
            found = await self._send(request, messages)
            if isinstance(found, Completion):
                return found
            if found.kind == "parameter":
                name = self._unknown_parameter(found.reason)
                if name:
                    self._dropped.add(name)
                elif dropped == len(self._dropped):  # nothing left out since it was sent
                    return _failed(found.reason)
                continue
            attempt += 1
            if found.kind == "fatal":
                self._fatal = found.reason
            if found.kind in ("fatal", "refused"):
                return _failed(found.reason)
            if attempt >= self.settings.attempts:
                return _failed(f"{found.reason} (attempt {attempt} of {attempt})")
            if found.wait > self.settings.max_wait:
                return _failed(f"{found.reason} (the server asks to wait {found.wait:.0f} s)")
            await asyncio.sleep(found.wait + self._jitter(attempt))

    async def _send(
        self, request: Request, messages: list[tuple[str, str]]
    ) -> Completion | Failure:
        connections = self._current()
        throttle = connections.throttle
        await throttle.acquire()
        try:
            if self._fatal:
                return Failure("fatal", self._fatal)
            self.sent += 1
            started = time.perf_counter()
            client = self._own or await connections.client()
            options = parameters(
                self.spec.provider, request, self._dropped, own_server=self.spec.own_server
            )
            async with asyncio.timeout(self.settings.call_timeout):
                message = await client.ainvoke(messages, **options)
            throttle.raise_limit()
            return _completion(request, message, time.perf_counter() - started)
        except Exception as error:  # whatever a provider's package raises: one outcome
            failure = classify(error)
            if failure.kind == "busy":
                throttle.lower_limit(min(failure.wait, self.settings.max_wait))
            return failure
        finally:
            throttle.release()

    def _current(self) -> Connections:
        loop = asyncio.get_running_loop()
        if self._connections is None or self._connections.loop is not loop:
            # A pool of another loop cannot be used here.
            self._connections = Connections(self.spec, self.settings)
        return self._connections

    def _late(self) -> str:
        now = time.monotonic()
        self._started = now if self._started is None else self._started
        limit = self.settings.run_timeout
        return f"the run's time limit of {limit:g} s is over" if _over(self._started, limit) else ""

    def _jitter(self, attempt: int) -> float:
        most = min(self.settings.max_wait, self.settings.backoff * 2.0 ** (attempt - 1))
        return most * random.uniform(0.5, 1.0)  # noqa: S311

    def _unknown_parameter(self, reason: str) -> str:
        for name, words in PARAMETER_NAMES.items():
            if name not in self._dropped and any(word in reason for word in words):
                return name
        return ""


def _over(started: float, limit: float | None) -> bool:
    return limit is not None and time.monotonic() - started >= limit


def _failed(reason: str) -> Completion:
    return Completion(text="", finish="error", outcome=Outcome("error", reason))


def _completion(request: Request, message: Any, latency: float) -> Completion:
    about = message.response_metadata
    ended = next(
        (about[k] for k in ("finish_reason", "stop_reason", "done_reason") if about.get(k)), ""
    )
    refusal = message.additional_kwargs.get("refusal")
    spent = message.usage_metadata or {}
    usage = Usage(spent.get("input_tokens", 0), spent.get("output_tokens", 0))
    raw = str(message.text)
    if refusal or ended in _WITHHELD:
        reason = f"the provider withheld the answer: {str(refusal or ended)[:200]}"
        return Completion(raw, None, "error", usage, latency, outcome=Outcome("error", reason))
    text, stopped = cut_at_stop(without_prefill(raw, request.prefill), request.stop)
    cut = ended in _CUT and not stopped
    finish: FinishReason = "length" if cut else "stop"
    outcome = Outcome("truncated") if cut else Outcome()
    return Completion(text, None, finish, usage, latency, outcome=outcome)
