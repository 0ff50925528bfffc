"""A model behind the store: nothing stored is ever asked again."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..errors import StoreError
from ..store.store import Store
from .batching import families_of, length_of, lengths_together, plan_batches
from .flow import Flow
from .message import Message
from .request import Completion, Model, Outcome, Request, Score, Usage


class CachedModel:
    """Looks requests up, runs the missing ones, and stores before it answers.

    The batches are planned from *all* different requests of a call, stored or
    not, so that a run resumed after a kill runs the same batches as one that was
    never stopped: a batch stored as a whole is skipped. Each batch is committed
    as one transaction; a kill loses the batch in flight at most.

    A model with `in_flight` above 0 (a chat model) is asked request by request, so many at
    a time, and each answer is stored within milliseconds of its arrival.

    Answers with an `error` outcome are returned, but not stored.

    Args:
        inner: The model that answers.
        store: Where its answers are kept.
        on_progress: Called with (done, total) requests of the current call:
            after looking up, then after each batch.
    """

    def __init__(
        self,
        inner: Model,
        store: Store,
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.inner = inner
        self.store = store
        self.on_progress = on_progress
        self.batch_size = int(getattr(inner, "batch_size", 32))
        self.in_flight = int(getattr(inner, "in_flight", 0))
        self._running: Flow | None = None
        self._done = self._total = 0

    @property
    def fingerprint(self) -> str:
        """The inner model's."""
        return self.inner.fingerprint

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order asked; identical requests are computed once.

        Raises:
            StoreError: The store cannot be read or written.
        """
        keys = [request.key(self.fingerprint) for request in requests]
        unique = dict(zip(keys, requests, strict=True))
        stored = self.store.get_many("call", unique)
        answers = {key: _completion_of(key, value) for key, value in stored.items()}
        if self.in_flight:
            await self._flow(unique, answers)
            return [answers[key] for key in keys]
        self._report(answers, keys)
        families = families_of([_said(request) for request in unique.values()])
        lengths = [length_of(request) for request in unique.values()]
        for batch in self._missing(unique, lengths, answers, families):
            found = await self.inner.complete([unique[key] for key in batch])
            answers.update(self._keep(unique, dict(zip(batch, found, strict=True))))
            self._report(answers, keys)
        return [answers[key] for key in keys]

    async def _flow(self, unique: Mapping[str, Request], answers: dict[str, Completion]) -> None:
        """Without batches: each request is a call of its own, stored soon after it returns."""
        loop = asyncio.get_running_loop()
        if self._running is None or self._running.loop is not loop:
            self._running = Flow(self.inner, self.in_flight, self._keep)
        flow = self._running
        asked = {key: flow.ask(key, unique[key]) for key in unique if key not in answers}
        if asked:
            self._ahead(len(asked))
            for future in asked.values():
                future.add_done_callback(lambda _: self._arrived())
            # Not gather: what is in flight is finished, whatever became of the others.
            await asyncio.wait(asked.values())
            answers.update((key, future.result()) for key, future in asked.items())

    def _ahead(self, count: int) -> None:
        """Counts what several tasks wait for at the same time as one."""
        if self._done == self._total:
            self._done = self._total = 0
        self._total += count

    def _arrived(self) -> None:
        self._done += 1
        if self.on_progress is not None:
            self.on_progress(self._done, self._total)

    async def drain(self) -> None:
        """Begins no further call, and waits until those in flight are stored."""
        if self._running is not None and self._running.loop is asyncio.get_running_loop():
            await self._running.drain()

    def _keep(
        self, unique: Mapping[str, Request], found: Mapping[str, Completion]
    ) -> dict[str, Completion]:
        """Stores the answers in one transaction; returns those that count."""
        fresh = {key: dataclasses.replace(answer, key=key) for key, answer in found.items()}
        rows = {
            key: {"request": unique[key].plain(), "completion": _row(answer)}
            for key, answer in fresh.items()
            if answer.outcome.kind != "error"
        }
        self.store.put_many("call", rows, model=self.fingerprint)
        # What is stored counts: without secrets, or another process's answer.
        for key, value in self.store.get_many("call", rows).items():
            if value["completion"]["text"] != fresh[key].text:
                fresh[key] = _completion_of(key, value)
        return fresh

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Log-probabilities in the order asked; sampling settings do not matter.

        Raises:
            NotSupportedError: The inner model cannot score.
            StoreError: The store cannot be read or written.
        """
        keys = [score_key(self.fingerprint, request, text) for request, text in texts]
        unique = dict(zip(keys, texts, strict=True))
        stored = self.store.get_many("score", unique)
        scores = {key: _score_of(key, value) for key, value in stored.items()}
        self._report(scores, keys)
        for batch in self._missing(unique, lengths_together(unique.values()), scores):
            found = await self.inner.score([unique[key] for key in batch])
            fresh = dict(zip(batch, found, strict=True))
            values = {key: _score_row(score) for key, score in fresh.items()}
            self.store.put_many("score", values, model=self.fingerprint)
            scores.update(fresh)
            self._report(scores, keys)
        return [scores[key] for key in keys]

    def lookup(self, key: str) -> tuple[Request, Completion]:
        """The stored call of a key: what was asked and what was answered.

        Raises:
            KeyError: No such call is stored.
            StoreError: The store cannot be read.
        """
        return lookup_call(self.store, key)

    def _missing(
        self,
        unique: Mapping[str, object],
        lengths: Sequence[int],
        done: Mapping[str, object],
        families: Sequence[int] | None = None,
    ) -> Iterator[list[str]]:
        keys = list(unique)
        for batch in plan_batches(lengths, self.batch_size, families=families):
            missing = [keys[index] for index in batch if keys[index] not in done]
            if missing:
                yield missing

    def _report(self, done: Mapping[str, object], keys: Sequence[str]) -> None:
        if self.on_progress is not None:
            self.on_progress(sum(key in done for key in keys), len(keys))


def lookup_call(store: Store, key: str) -> tuple[Request, Completion]:
    """The stored call of a key, without a model: what was asked, what was answered.

    Raises:
        KeyError: No such call is stored.
        StoreError: The store cannot be read, or the call in it is damaged.
    """
    value = store.get_many("call", [key]).get(key)
    if value is None:
        raise KeyError(f"no call {key} in {store.path}")
    return _request_of(key, value), _completion_of(key, value)


def score_key(fingerprint: str, request: Request, text: str) -> str:
    """Key of a score: SHA-256 (hex) of the fingerprint, conversation, prefill and text."""
    conversation = [[message.role, message.content] for message in request.messages]
    payload = json.dumps([fingerprint, conversation, request.prefill, text], ensure_ascii=False)
    return hashlib.sha256(payload.encode()).hexdigest()


def _said(request: Request) -> str:
    return "\n".join(f"{message.role}: {message.content}" for message in request.messages)


def _row(answer: Completion) -> dict[str, Any]:
    row = asdict(answer)
    del row["key"], row["cached"]
    return row


def _completion_of(key: str, value: Any) -> Completion:
    try:
        row = dict(value["completion"])
        row["usage"] = Usage(**row["usage"])
        row["outcome"] = Outcome(**row["outcome"])
        row["logprobs"] = tuple(row["logprobs"])
        return Completion(**row, key=key, cached=True)
    except (KeyError, TypeError) as error:
        raise _damaged("call", key, error) from error


def _request_of(key: str, value: Any) -> Request:
    try:
        row = dict(value["request"])
        row["messages"] = tuple(Message(**message) for message in row["messages"])
        row["stop"] = tuple(row["stop"])
        return Request(**row)
    except (KeyError, TypeError) as error:
        raise _damaged("call", key, error) from error


def _score_row(score: Score) -> dict[str, Any]:
    """A score as JSON: what is no finite number is null, with the reason."""
    row = asdict(score)
    if math.isfinite(score.logprob):
        del row["reason"]
        return row
    return row | {"logprob": None, "reason": score.reason or "not a finite number"}


def _score_of(key: str, value: Any) -> Score:
    try:
        greedy = value.get("greedy")  # not in what earlier versions stored
        if value["logprob"] is None:
            reason = str(value.get("reason", "not a finite number"))
            return Score(math.nan, int(value["tokens"]), greedy, reason)
        return Score(float(value["logprob"]), int(value["tokens"]), greedy)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged("score", key, error) from error


def _damaged(kind: str, key: str, error: Exception) -> StoreError:
    return StoreError(
        f"the stored {kind} {key} lacks or misnames a field ({error!r}); move the store file "
        "away and run again: stored calls are redone."
    )
