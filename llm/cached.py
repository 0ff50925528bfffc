"""A model behind the store: nothing stored is ever asked again."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from ..errors import StoreError
from ..store.store import Entry, Store
from .batching import families_of, length_of, lengths_together, plan_batches
from .chat.prompt import without_prefill
from .flow import Flow
from .message import Message
from .reasoning import split_reasoning
from .request import (
    Completion,
    Model,
    Outcome,
    Request,
    Score,
    Usage,
    Wrapper,
    has_half_characters,
    sound,
)


class CachedModel(Wrapper):
    """Looks requests up, runs the missing ones, and stores before it answers.

    The batches are planned from *all* different requests of a call, stored or
    not, so that a run resumed after a kill runs the same batches as one that was
    never stopped: a batch stored as a whole is skipped. Each batch is committed
    as one transaction; a kill loses the batch in flight at most.

    A model with `in_flight` above 0 (a chat model) is asked request by request, so many at
    a time, and each answer is stored within milliseconds of its arrival.

    Answers with an `error` outcome are returned, but not stored; nor is one that thoughts
    used up before it began. A request with half a character, which no model can take, is an
    `error` of its own. What an earlier version stored of a chat model as complete though it
    was empty is asked again (`stored_fault`); thoughts in a stored answer are taken off.

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
        super().__init__(inner)
        self.store = store
        self.on_progress = on_progress
        self._running: Flow | None = None
        self._done = self._total = 0

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order asked; identical requests are computed once.

        Raises:
            StoreError: The store cannot be read or written.
        """
        keys = [request.key(self.fingerprint) for request in requests]
        unique = dict(zip(keys, requests, strict=True))
        stored = self.store.get_many("call", unique)
        answers = {
            key: _completion_of(key, value)
            for key, value in stored.items()
            if not stored_fault(self.fingerprint, value)
        }
        answers |= {key: _UNSENDABLE for key, asked in unique.items() if _unsendable(asked)}
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
        await super().drain()

    def _keep(
        self, unique: Mapping[str, Request], found: Mapping[str, Completion]
    ) -> dict[str, Completion]:
        """Stores the answers in one transaction; returns those that count."""
        fresh = {key: dataclasses.replace(sound(answer), key=key) for key, answer in found.items()}
        rows = {
            key: {"request": unique[key].plain(), "completion": _row(answer)}
            for key, answer in fresh.items()
            if answer.outcome.kind != "error"
            and not _starved(answer, hides_thoughts=self.in_flight > 0)
        }
        # Only of chat models did earlier versions store what is not served any more.
        old = self.store.get_many("call", rows) if self.in_flight else {}
        faulty = [key for key, value in old.items() if stored_fault(self.fingerprint, value)]
        self.store.put_many("call", rows, model=self.fingerprint, instead=faulty)
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


@dataclasses.dataclass(frozen=True, slots=True)
class Survey:
    """What of the stored calls to chat models is still served.

    Attributes:
        kept: Served as they are.
        parted: Served with their thoughts taken off the answer.
        dropped: Why a call is asked again -> how many.
    """

    kept: int
    parted: int
    dropped: Mapping[str, int]

    @property
    def changed(self) -> bool:
        """True if an earlier version stored something that is not served as it is."""
        return bool(self.parted or self.dropped)

    def __str__(self) -> str:
        why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.dropped.items()))
        again = f"; asked again: {why}" if why else ""
        parted = f", {self.parted:,} of them with thoughts taken off" if self.parted else ""
        return f"Calls to chat models: {self.kept + self.parted:,} kept{parted}{again}."


def survey(store: Store, entries: Iterable[Entry]) -> Survey:
    """Looks through the stored calls to chat models.

    Args:
        store: The open store.
        entries: What is in it.

    Raises:
        StoreError: The store cannot be read.
    """
    models = {entry.key: entry.model for entry in entries if entry.kind == "call"}
    chat = [key for key, model in models.items() if model.startswith("chat:")]
    kept, parted, dropped = 0, 0, Counter[str]()
    for start in range(0, len(chat), _SURVEYED):
        for key, value in store.get_many("call", chat[start : start + _SURVEYED]).items():
            fault = stored_fault(models[key], value)
            if models[key].startswith(_WITHOUT_ADDRESS):
                dropped["whose key lacks the address of the Azure server"] += 1
            elif fault:
                dropped[f"whose answer is {fault}"] += 1
            elif _has_inline_thoughts(value):
                parted += 1
            else:
                kept += 1
    return Survey(kept, parted, dropped)


_SURVEYED: Final = 1000  # values in memory at a time
_WITHOUT_ADDRESS: Final = ("chat:azure_openai:default:", "chat:azure:default:")


def _has_inline_thoughts(value: Any) -> bool:
    try:
        return bool(split_reasoning(value["completion"]["text"])[0])
    except (KeyError, TypeError):
        return False


_UNSENDABLE: Final = Completion(
    "", finish="error", outcome=Outcome("error", "the question holds half of a character")
)


def _unsendable(request: Request) -> bool:
    texts = (message.content for message in request.messages)
    return has_half_characters(request.prefill, request.schema, *request.stop, *texts)


def _starved(answer: Completion, *, hides_thoughts: bool) -> bool:
    """True if thoughts used the limit up before the answer began: another limit gives an answer.

    A chat model may not show its thoughts; blanks of a local model are its answer.
    """
    blank = answer.outcome.kind == "truncated" and not answer.text.strip()
    return blank and (hides_thoughts or bool(answer.reasoning))


def stored_fault(model: str, value: Any) -> str:
    """Why a stored call is not served but asked again; "" for one that is good.

    Args:
        model: Fingerprint of the model it came from.
        value: The stored value.
    """
    if not model.startswith("chat:"):
        return ""
    try:
        answer = _completion_of("", value)
    except StoreError:
        return ""  # reported where it is read
    if answer.outcome.kind in ("ok", "repaired") and not answer.text.strip():
        return "only thoughts" if answer.reasoning else "empty"
    return ""


def _row(answer: Completion) -> dict[str, Any]:
    row = asdict(answer)
    del row["key"], row["cached"]
    if not row["reasoning"]:
        del row["reasoning"]  # as earlier versions stored it
    return row


def _completion_of(key: str, value: Any) -> Completion:
    try:
        row = dict(value["completion"])
        row["usage"] = Usage(**row["usage"])
        row["outcome"] = Outcome(**row["outcome"])
        row["logprobs"] = tuple(row["logprobs"])
        return _without_thoughts(Completion(**row, key=key, cached=True), value["request"])
    except (KeyError, TypeError) as error:
        raise _damaged("call", key, error) from error


def _without_thoughts(answer: Completion, request: Any) -> Completion:
    """Earlier versions left thoughts in the text; a new answer has none that could be found."""
    reasoning, text = split_reasoning(answer.text)
    if not reasoning:
        return answer
    text = without_prefill(text, str(request.get("prefill", "")))
    return dataclasses.replace(answer, text=text, reasoning=reasoning)


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
