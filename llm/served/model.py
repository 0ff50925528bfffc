"""A local model that a server runs: rendered and read here, computed there.

Prompts are rendered and tokenized here and sent as token ids, so a served model is asked
exactly what the local one is asked: the same template, the same prefill, the same stops. It
gives log-probabilities of given texts, too, which a chat model cannot. The fields used are
listed in docs/scale.md.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp

from ...errors import AnlageError, ConfigurationError, ModelNotFoundError, NotSupportedError
from ..chat.providers import KEY_VARIABLE, NO_KEY, key_for
from ..chat.settings import ChatSettings
from ..local.answer import (
    begins_inside,
    completion_of,
    context_of,
    failed_completion,
    particulars,
    stop_ids_of,
    token_limit,
    too_long,
)
from ..local.decoding import Row
from ..local.embedded import resolve_model
from ..local.encoding import encode_request, encode_scored
from ..local.fingerprint import combine, hash_tokenizer, hash_weights
from ..local.loading import read_rendering
from ..local.sampling import row_seed
from ..request import Completion, Model, Request, Score
from .replica import SHORT, Replica, StatusError, Target
from .spec import ServedSpec

_PLAIN: Final = {
    "n": 1,
    "stream": False,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Sent with every request: a server takes what is left out from the model's own settings."""

_T = TypeVar("_T")


class ServedModel(Model):
    """Answers and scores as `LocalModel` does, on servers that hold the weights.

    Requests go to the server with the fewest in flight. One that does not answer rests, first
    for `backoff` seconds, then for twice as long each time, and the others take what it was
    asked. Where all of them rest, a request waits; after `attempts` failures it raises, so that
    a run stops with every answer stored, and goes on when a server is back.

    Args:
        spec: Name and servers.
        adapter: Folder of a LoRA adapter that the servers load; they must see the same path.
        settings: Limits of the calls; `in_flight` holds for each server.

    Raises:
        ModelNotFoundError: There is no such model, or its tokenizer has no chat template.
        ConfigurationError: A variable that `keys` names is not set.
    """

    in_flight = 64
    batch_size = 64

    def __init__(
        self,
        spec: ServedSpec,
        *,
        adapter: Path | None = None,
        settings: ChatSettings | None = None,
    ) -> None:
        self.spec = spec
        self.settings = settings or ChatSettings()
        self.in_flight = self.settings.in_flight * len(spec.urls)
        self.batch_size = self.in_flight
        folder = resolve_model(spec.name, weights=False)
        self.tokenizer, config, generation = read_rendering(folder)
        if not self.tokenizer.chat_template:
            raise ModelNotFoundError(
                f"the tokenizer of {spec.name!r} has no chat template; use an instruction-tuned "
                "model, or save a chat_template.jinja beside it."
            )
        self._context = context_of(config)
        self.stop_ids = stop_ids_of(generation, self.tokenizer)
        parts = {
            "weights": hash_weights(folder),
            "adapter": hash_weights(adapter) if adapter else "",
            "tokenizer": hash_tokenizer(self.tokenizer),
        } | particulars(self.stop_ids, self.tokenizer, self.settings.thinking)
        self._fingerprint = combine(parts, "served")
        lora = f"anlage-{parts['adapter'][:16]}" if adapter else ""
        self._target = Target(spec.name, parts["weights"], adapter, lora, self.settings)
        self._keys = [key_for("", url, self.settings.keys) or NO_KEY for url in spec.urls]
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of weights, adapter, tokenizer, template, stops and rendering, as they are here.

        Not of the address: the answers of one server count for its successor.
        """
        return self._fingerprint

    def token_limit(self, request: Request) -> int:
        """Most new tokens that the request may cost, thoughts included."""
        return token_limit(request, self.settings.thinking, self.settings.reasoning_tokens)

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order asked; what no server would take has an `error` outcome.

        Raises:
            ModelNotFoundError: No server answers, or none serves this model.
            NotSupportedError: A server cannot do what is needed.
        """
        return await _all(self._answer(request) for request in requests)

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Log-probability of each text after its request (prefill included), in order.

        Raises:
            ModelNotFoundError: No server answers, or none serves this model.
            NotSupportedError: A server gives no log-probabilities of a prompt.
        """
        return await _all(self._score(request, text) for request, text in texts)

    async def unload(self) -> None:
        """Lets the servers forget the adapter; one that does not answer is left alone."""
        for replica in self._replicas():
            replica.ready = ""
            if replica.url in self._target.loaded:
                self._target.loaded.discard(replica.url)
                with suppress(StatusError, aiohttp.ClientError, OSError, TimeoutError):
                    await replica.post(
                        "unload_lora_adapter", {"lora_name": self._target.lora}, SHORT
                    )

    async def _answer(self, request: Request) -> Completion:
        try:
            ids, held = encode_request(self.tokenizer, request, self.settings.thinking)
        except NotSupportedError as error:
            return failed_completion(str(error))
        problem = too_long(len(ids), request.max_tokens, self._context)
        if problem:
            return failed_completion(problem)
        limit = min(self.token_limit(request), self._context - len(ids))
        body = {
            **_PLAIN,
            "prompt": ids,
            "max_tokens": limit,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stop": list(request.stop),
            "stop_token_ids": sorted(self.stop_ids),
            "logprobs": 0,
            "return_token_ids": True,
        }
        if request.temperature > 0:
            body["seed"] = row_seed(request)  # so that two prompts do not draw the same numbers
        started = time.perf_counter()
        try:
            choice = await self._ask(body)
        except StatusError as error:
            return failed_completion(error.reason)
        row = self._row(Row(request, ids, limit), choice)
        seconds = time.perf_counter() - started
        opened = begins_inside(self.tokenizer, row)
        return completion_of(row, held, opened=opened, latency=seconds)

    def _row(self, row: Row, choice: dict[str, Any]) -> Row:
        """Fills a row with what a server answered; the token that ended it is left out."""
        tokens = list(choice.get("token_ids") or ())
        logprobs = list((choice.get("logprobs") or {}).get("token_logprobs") or ())
        finish = "length" if choice["finish_reason"] == "length" else "stop"
        if finish == "stop" and tokens and tokens[-1] in self.stop_ids:
            tokens, logprobs = tokens[:-1], logprobs[: len(tokens) - 1]
        row.tokens = tokens
        row.logprobs = logprobs if len(logprobs) == len(tokens) else []
        row.end(self.tokenizer, finish)
        if not tokens:
            row.text = choice["text"]  # a server that gives no ids; else "" both times
        return row

    async def _score(self, request: Request, text: str) -> Score:
        try:
            ids, count = encode_scored(self.tokenizer, request, text)
        except NotSupportedError as error:
            return Score(math.nan, 0, reason=str(error))
        problem = too_long(len(ids), 0, self._context)
        if problem or not count:
            return Score(math.nan, count, reason=problem) if problem else Score(0.0, 0)
        body = {**_PLAIN, "prompt": ids, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
        try:
            choice = await self._ask(body)
        except StatusError as error:
            return Score(math.nan, count, reason=error.reason)
        places = choice.get("prompt_logprobs")
        if not isinstance(places, list) or len(places) != len(ids):
            raise NotSupportedError(
                f"the server of {self.spec} gives no log-probabilities of a prompt "
                "(`prompt_logprobs`). Use vLLM or `anlage serve`, or a local model where texts "
                "are scored."
            )
        found = [place[str(one)] for one, place in zip(ids[-count:], places[-count:], strict=True)]
        ranks = [one.get("rank") for one in found]
        greedy = None if None in ranks else all(rank == 1 for rank in ranks)
        total = math.fsum(float(one["logprob"]) for one in found)
        return Score(total, count, greedy, "" if math.isfinite(total) else "not a finite number")

    async def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """The one choice of an answer, from whichever server gives it.

        Raises:
            StatusError: This request alone will never be answered.
            ModelNotFoundError: No server answers, or this model is not served.
        """
        reason = ""
        for _ in range(self.settings.attempts):
            replica = await self._next()
            replica.busy += 1
            try:
                ready = await replica.prepare(self._target)
                timeout = self.settings.call_timeout
                answer = await replica.post("completions", {**body, "model": ready}, timeout)
                choice: dict[str, Any] = answer["choices"][0]
                if choice["finish_reason"] not in ("stop", "length"):
                    raise OSError(f"the server ended with {choice['finish_reason']!r}")
            except StatusError as error:
                if error.status in (401, 402, 403):
                    fix = f"put its key into {KEY_VARIABLE}" if error.status == 401 else ""
                    raise ConfigurationError.one("M002", replica.url, str(error), fix) from None
                if error.status == 404 and replica.ready:
                    replica.ready = ""  # it was started anew, without the adapter
                elif error.failure.kind in ("busy", "retry"):
                    replica.rest(self.settings)
                else:
                    raise
                reason = str(error)
            except AnlageError:  # concerns every request; some are lookup errors, too
                raise
            except (aiohttp.ClientError, OSError, TimeoutError, LookupError, TypeError) as error:
                # Down, too slow, or speaking something else.
                replica.rest(self.settings)
                reason = f"{type(error).__name__}: {error}".rstrip(": ")
            else:
                replica.failures = 0
                return choice
            finally:
                replica.busy -= 1
        raise ModelNotFoundError(
            f"no answer from {', '.join(self.spec.urls)} in {self.settings.attempts} attempts "
            f"({reason}). Every answer so far is stored: start the server again and run the same "
            "command; it goes on here."
        )

    async def _next(self) -> Replica:
        """The server with the fewest requests in flight; waits where all of them rest."""
        while True:
            now = time.monotonic()
            awake = [one for one in self._replicas() if one.rests_until <= now]
            if awake:
                return min(awake, key=lambda one: one.busy)
            await asyncio.sleep(min(one.rests_until for one in self._replicas()) - now)

    def _replicas(self) -> list[Replica]:
        """The servers as this event loop knows them; connections belong to one loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            pairs = zip(self.spec.urls, self._keys, strict=True)
            self._known = [Replica(url, key) for url, key in pairs]
        return self._known


async def _all(works: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """What they return, in order; the first failure is raised once all have ended."""
    found: list[_T] = []
    for one in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one
        found.append(one)
    return found
