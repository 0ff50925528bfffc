"""Any LangChain chat model behind the `Model` seam."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import NotSupportedError
from ..budget import expected_prompt_tokens
from ..request import Completion, Model, Outcome, Request, Score, Usage
from .answer import read_answer
from .clients import check_available, describe, own_limit
from .connections import Connections
from .errors import Failure, classify
from .parameters import (
    expects_thoughts,
    left_out_next,
    parameters,
    thinking_options,
    token_limit,
)
from .prompt import chat_messages, parse_answer, repair_messages
from .providers import KEY_VARIABLE, NO_KEY, key_for
from .settings import ChatSettings
from .spec import ChatSpec

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_LEAST_CONTEXT = 4096
_NO_CREDIT = "Every answer so far is stored: mend it and run the same command again."


class ChatModel(Model):
    """Answers through a chat API; it cannot score.

    A request ends in exactly one completion: its answer, or an `error` outcome with the
    reason. Calls are retried on 429, overload, time-outs, server and network errors and
    unreadable answers, with jitter, and not on anything else. After an error that
    concerns every request (wrong key, no such model) nothing more is sent. A parameter
    that the server says it does not know (`temperature` of some models) is left out
    from then on; the token limit is not, it goes under its other name. A prompt that was
    screened is that request's outcome alone.

    Thoughts are kept apart from the answer (`Completion.reasoning`). A model that thinks
    gets room for it beside the request's limit; one that is found to think when its thoughts
    used the limit up is asked once more, with that room.

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
            event loops where its package cannot bear that. Its own token limit is respected.
        settings: Limits of the calls.

    Raises:
        ModelNotFoundError: The provider's package is not installed.
        ConfigurationError: The provider's key is not set, or its models cannot be told
            whether to think.
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
            check_available(model, self.settings)
            self.spec, self._own = model, None
        else:
            self.spec, self._own = describe(model), model
        self._limited = self._own is not None and own_limit(self._own)
        self._thinking = thinking_options(
            self.spec.provider, self.spec.name, self.settings, own_server=bool(self.spec.base_url)
        )
        self._thinks = expects_thoughts(self.spec.name, self.settings)
        self._connections: Connections | None = None
        self._dropped: frozenset[str] = frozenset()
        self._context = _LEAST_CONTEXT
        self._fatal = ""
        self._barred = 0
        self._answered = False
        self._started: float | None = None

    @property
    def fingerprint(self) -> str:
        """Provider, address and model name, and what else was set that decides an answer."""
        return self.spec.fingerprint + self.settings.identity

    def token_limit(self, request: Request) -> int:
        """Most new tokens that one call of the request may cost, thoughts included."""
        return token_limit(request, self.settings, room=self._thinks)

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
        both = _sum(first.usage, second.usage)
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
        left_out, tried = self._dropped, {self._dropped}
        while True:
            refusal = self._fatal or self._late()
            if refusal:
                return _failed(refusal)
            room = self._thinks
            found = await self._send(request, messages, left_out, room=room)
            if isinstance(found, Completion):
                self._answered, self._dropped = True, left_out
                if self._needs_room(found, room=room):
                    again = await self._call(request, messages)
                    return replace(again, usage=_sum(found.usage, again.usage))
                return found
            if found.kind == "parameter":
                left_out = left_out_next(found, left_out, request, own_server=self.spec.own_server)
                if left_out in tried:
                    return _failed(found.reason)
                tried.add(left_out)
                continue
            attempt += 1
            self._note(found)
            if found.kind in ("fatal", "refused", "barred"):
                return _failed(self._fatal or found.reason)
            if attempt >= self.settings.attempts:
                return _failed(f"{found.reason} (attempt {attempt} of {attempt})")
            if found.wait > self.settings.max_wait:
                return _failed(f"{found.reason} (the server asks to wait {found.wait:.0f} s)")
            await asyncio.sleep(found.wait + self._jitter(attempt))

    def _note(self, failure: Failure) -> None:
        """Remembers what concerns every request: after it nothing more is sent."""
        self._barred += failure.kind == "barred"
        # More of these than were in flight, and no answer yet: it concerns all requests.
        barred = failure.kind == "barred" and not self._answered and self._barred > self.in_flight
        if (failure.kind == "fatal" or barred) and not self._fatal:
            key = key_for(self.spec.provider, self.spec.base_url, self.settings.keys)
            hint = _NO_CREDIT
            if self._own is None and key == NO_KEY:
                hint = (
                    f"No key was sent to {self.spec.base_url}: set {KEY_VARIABLE}, or name a "
                    "variable for this host in `chat: {keys: {HOST: VARIABLE}}`."
                )
            self._fatal = f"{failure.reason} Nothing more was sent. {hint}"

    def _needs_room(self, found: Completion, *, room: bool) -> bool:
        """True if thoughts used up a limit that had no room for them."""
        if self.settings.thinking != "auto" or room or self._limited:
            return False
        if found.outcome.kind == "truncated" and (found.reasoning or not found.text.strip()):
            self._thinks = True
        return self._thinks and found.outcome.kind == "truncated"

    async def _send(
        self,
        request: Request,
        messages: list[tuple[str, str]],
        left_out: frozenset[str],
        *,
        room: bool,
    ) -> Completion | Failure:
        connections = self._current()
        throttle = connections.throttle
        await throttle.acquire()
        try:
            if self._fatal:
                return Failure("refused", self._fatal)
            limit = None if self._limited else token_limit(request, self.settings, room=room)
            client = self._own or await connections.client()
            options = parameters(
                self.spec.provider,
                request,
                left_out,
                limit=limit,
                own_server=self.spec.own_server,
                context=self._context_for(request, limit),
                thinking=self._thinking,
            )
            self.sent += 1
            started = time.perf_counter()
            async with asyncio.timeout(self.settings.call_timeout):
                message = await client.ainvoke(messages, **options)
            throttle.raise_limit()
            spent = time.perf_counter() - started
            read = read_answer(request, messages, message, spent, limit=limit, room=room)
            # Thoughts that are not shown are known by what they cost.
            self._thinks |= read.thought and self.settings.thinking == "auto"
            return read.completion
        except Exception as error:  # whatever a provider's package raises: one outcome
            failure = classify(error)
            if failure.kind == "busy":
                throttle.lower_limit(min(failure.wait, self.settings.max_wait))
            return failure
        finally:
            throttle.release()

    def _context_for(self, request: Request, limit: int | None) -> int:
        """Tokens that question and answer need; grows only: Ollama reloads for each change."""
        wanted = expected_prompt_tokens(request) + (limit or 0)
        while self._context < wanted:
            self._context *= 2
        return self._context

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


def _over(started: float, limit: float | None) -> bool:
    return limit is not None and time.monotonic() - started >= limit


def _failed(reason: str) -> Completion:
    return Completion(text="", finish="error", outcome=Outcome("error", reason))


def _sum(first: Usage, second: Usage) -> Usage:
    return Usage(
        first.prompt_tokens + second.prompt_tokens,
        first.completion_tokens + second.completion_tokens,
    )
