"""A causal language model of transformers on this machine, behind the `Model` seam."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from ...errors import ModelNotFoundError, NotSupportedError, OutOfMemoryError
from ..batching import plan_batches
from ..chat.settings import REASONING_TOKENS
from ..request import Completion, Model, Request, Score
from .answer import (
    begins_inside,
    completion_of,
    context_of,
    failed_completion,
    particulars,
    stop_ids_of,
    token_limit,
    too_long,
)
from .decoding import Row, decode
from .encoding import encode_request, encode_scored
from .fingerprint import combine, hash_state, hash_tokenizer
from .loading import load_parts
from .rendering import Thinking
from .scoring import Sharing, TokenScore, score_batch, score_every_token
from .scoring_shared import Item

_TOKEN_BUDGET = 32_768  # most rows x longest row in one batch: bounds memory
_LOGITS = 1 << 27  # most logits in one batch where every token is scored: 512 MB
_T = TypeVar("_T")


class LocalModel(Model):
    """Answers and scores in batches sorted by length.

    With the same threads, device and set of requests the results are the same
    bytes. With another batch a greedy answer may differ where two tokens are
    almost equally likely (bf16 rounds by shape); in fp32 this is very rare.

    Args:
        model: A causal language model; put into eval mode. Its weights must not
            change afterwards, since the fingerprint is taken here.
        tokenizer: Its fast tokenizer, with a chat template.
        batch_size: Most requests run together.
        fingerprint: The model's identity; None hashes model and tokenizer.
        thinking: `auto` answers at once, as it is trained; `on` lets a template that knows
            `enable_thinking` think first, except after a prefill; `off` also tells it not to.
        reasoning_tokens: Room for thoughts beside a request's limit, as far as the context has
            it, at least 0; only where the model may think first.

    Raises:
        ModelNotFoundError: The tokenizer has no usable chat template, or no end token.
    """

    batch_size = 32

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        batch_size: int = 32,
        fingerprint: str | None = None,
        thinking: Thinking = "auto",
        reasoning_tokens: int = REASONING_TOKENS,
    ) -> None:
        if not tokenizer.chat_template:
            raise ModelNotFoundError(
                "the tokenizer has no chat template; use an instruction-tuned model, or save "
                "a chat_template.jinja beside it."
            )
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.thinking: Thinking = thinking
        self.reasoning_tokens = reasoning_tokens
        self.stop_ids = stop_ids_of(model.generation_config, tokenizer)
        self._fingerprint = fingerprint or combine(
            {"state": hash_state(model), "tokenizer": hash_tokenizer(tokenizer)}
            | particulars(self.stop_ids, tokenizer, thinking)
        )
        self._sharing = Sharing()
        self._busy = threading.Lock()  # one batch at a time: it uses all cores

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        adapter: Path | None = None,
        dtype: str = "auto",
        batch_size: int = 32,
        threads: int | None = None,
        thinking: Thinking = "auto",
        reasoning_tokens: int = REASONING_TOKENS,
    ) -> LocalModel:
        """Loads a model, with a LoRA adapter merged into it where one is given.

        Args:
            name: `smollm2-135m`, a folder, or a hub id.
            adapter: Folder of a LoRA adapter (safetensors), merged in fp32.
            dtype: `auto` (bf16 where the hardware multiplies it, else fp32),
                `bfloat16`, `float16` or `float32`.
            batch_size: Most requests run together.
            threads: CPU threads for the whole process; None leaves torch's choice.
            thinking: As in the class.
            reasoning_tokens: As in the class.

        Raises:
            ModelNotFoundError: No such model or adapter.
            OutOfMemoryError: It does not fit.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        parts = load_parts(str(name), adapter, dtype)
        stops = stop_ids_of(parts.model.generation_config, parts.tokenizer)
        particular = particulars(stops, parts.tokenizer, thinking)
        return cls(
            parts.model,
            parts.tokenizer,
            batch_size=batch_size,
            fingerprint=combine(parts.identity | particular),
            thinking=thinking,
            reasoning_tokens=reasoning_tokens,
        )

    @property
    def fingerprint(self) -> str:
        """Hash of weights, adapter, tokenizer, chat template, dtype, stops and rendering."""
        return self._fingerprint

    def token_limit(self, request: Request) -> int:
        """Most new tokens that the request may cost, thoughts included."""
        return token_limit(request, self.thinking, self.reasoning_tokens)

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order asked.

        A request too long for the model's context, or refused by its chat template, gets an
        `error` outcome; an answer that breaks off at numbers that are none is `malformed`. A
        schema is not enforced: where the answer (prefill included) is JSON,
        `parsed` holds it, else None.

        Raises:
            OutOfMemoryError: Not even half a batch fits.
        """
        return await self._in_thread(lambda stopped: self._complete(requests, stopped))

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Log-probability of each text after its request (prefill included), in order.

        A conversation longer than the model's context, or one the template refuses, fails
        alone: its score is NaN, with the reason.

        Raises:
            OutOfMemoryError: Not even half a batch fits.
        """
        return await self._in_thread(lambda stopped: self._score(texts, stopped))

    async def _in_thread(self, work: Callable[[Callable[[], bool]], _T]) -> _T:
        # In a thread, so that the event loop lives; told to stop, so that Ctrl-C is quick.
        stop = threading.Event()

        def guarded() -> _T:
            with self._busy:
                return work(stop.is_set)

        try:
            return await asyncio.to_thread(guarded)
        except asyncio.CancelledError:
            stop.set()
            raise

    def _complete(
        self, requests: Sequence[Request], stopped: Callable[[], bool]
    ) -> list[Completion]:
        results: dict[int, Completion] = {}
        rows: dict[int, tuple[Row, bool]] = {}
        for index, request in enumerate(requests):
            try:
                ids, held = encode_request(self.tokenizer, request, self.thinking)
            except NotSupportedError as error:
                results[index] = failed_completion(str(error))
                continue
            problem = too_long(len(ids), request.max_tokens, self.context)
            if problem:
                results[index] = failed_completion(problem)
            else:
                limit = min(self.token_limit(request), self.context - len(ids))
                rows[index] = Row(request, ids, limit), held
        seconds = self._write([row for row, _ in rows.values()], self.stop_ids, stopped)
        for (index, (row, held)), each in zip(rows.items(), seconds, strict=True):
            opened = begins_inside(self.tokenizer, row)
            results[index] = completion_of(row, held, opened=opened, latency=each)
        return [results[index] for index in range(len(requests))]

    async def write(
        self, rows: Sequence[Row], stops: frozenset[int], on_step: Callable[[], None] | None = None
    ) -> None:
        """Writes answers to prompts that are token ids already, as a server is sent them.

        Args:
            rows: Filled in place; prompt and new tokens fit into `context`.
            stops: Tokens that end an answer beside the model's own.
            on_step: Called in the thread that computes, before each step.

        Raises:
            OutOfMemoryError: Not even half a batch fits.
        """

        def step(stopped: Callable[[], bool]) -> bool:
            if on_step is not None:
                on_step()
            return stopped()

        await self._in_thread(
            lambda stopped: self._write(rows, self.stop_ids | stops, lambda: step(stopped))
        )

    async def score_tokens(self, rows: Sequence[Sequence[int]], top: int) -> list[list[TokenScore]]:
        """Every token after the first of each row, and the likeliest one after its end.

        Args:
            rows: Token ids, at least one and at most `context` each.
            top: How many of the likeliest tokens to name at each place.
        """
        room = _LOGITS // self.model.get_input_embeddings().weight.shape[0]
        found: dict[int, list[TokenScore]] = {}

        def work(stopped: Callable[[], bool]) -> None:
            for batch in plan_batches([len(row) for row in rows], self.batch_size, room):
                if stopped():
                    raise KeyboardInterrupt
                scores = self._halving(
                    lambda part: score_every_token(self.model, [rows[i] for i in part], top), batch
                )
                found.update(zip(batch, scores, strict=True))

        await self._in_thread(work)
        return [found[index] for index in range(len(rows))]

    def _write(
        self, rows: Sequence[Row], stops: frozenset[int], stopped: Callable[[], bool]
    ) -> list[float]:
        """Fills the rows, batch by batch; returns the seconds of each."""

        def decoded(part: Sequence[Row]) -> list[None]:
            for row in part:  # a second attempt starts anew
                row.tokens, row.logprobs, row.finish = [], [], ""
            decode(self.model, self.tokenizer, list(part), stops, stopped)
            return [None] * len(part)

        seconds = [0.0] * len(rows)
        lengths = [len(row.ids) + row.limit for row in rows]
        for batch in plan_batches(lengths, self.batch_size, _TOKEN_BUDGET):
            started = time.perf_counter()
            self._halving(decoded, [rows[index] for index in batch])
            for index in batch:
                seconds[index] = (time.perf_counter() - started) / len(batch)
        return seconds

    def _score(
        self, texts: Sequence[tuple[Request, str]], stopped: Callable[[], bool]
    ) -> list[Score]:
        results: dict[int, Score] = {}
        kept: list[int] = []
        items: list[Item] = []
        for index, (request, text) in enumerate(texts):
            try:
                item = encode_scored(self.tokenizer, request, text)
            except NotSupportedError as error:
                results[index] = Score(math.nan, 0, reason=str(error))
                continue
            problem = too_long(len(item[0]), 0, self.context)
            if problem:
                results[index] = Score(math.nan, item[1], reason=problem)
                continue
            kept.append(index)
            items.append(item)
        owners = [(texts[index][0].messages, texts[index][0].prefill) for index in kept]
        for place, score in enumerate(self._score_items(items, owners, stopped)):
            results[kept[place]] = score
        return [results[index] for index in range(len(texts))]

    def _score_items(
        self, items: Sequence[Item], owners: Sequence[object], stopped: Callable[[], bool]
    ) -> list[Score]:
        # Answers to one question stay together, as long as the longest of them.
        size: dict[object, int] = {}
        for owner, (ids, _) in zip(owners, items, strict=True):
            size[owner] = max(size.get(owner, 0), len(ids))
        results = [Score(0.0, 0)] * len(items)
        order = plan_batches([size[owner] for owner in owners], self.batch_size, _TOKEN_BUDGET)
        for batch in order:
            if stopped():
                raise KeyboardInterrupt
            scores = self._halving(
                lambda part: score_batch(
                    self.model,
                    [items[i] for i in part],
                    [owners[i] for i in part],
                    self._sharing,
                ),
                batch,
            )
            for index, score in zip(batch, scores, strict=True):
                results[index] = score
        return results

    def _halving(
        self, work: Callable[[Sequence[Any]], Sequence[_T]], batch: Sequence[Any]
    ) -> list[_T]:
        """Runs a batch; if memory runs out, once more in two halves."""
        try:
            return list(work(batch))
        except (RuntimeError, MemoryError) as error:
            if not _is_memory(error):
                raise
        middle = (len(batch) + 1) // 2
        try:
            return [
                result for part in (batch[:middle], batch[middle:]) if part for result in work(part)
            ]
        except (RuntimeError, MemoryError) as error:
            if not _is_memory(error):
                raise
            raise OutOfMemoryError(
                f"out of memory with {middle} requests in a batch (batch_size is "
                f"{self.batch_size}). Lower batch_size or max_tokens, or close other programs."
            ) from error

    @property
    def context(self) -> int:
        """Most tokens of a prompt and its answer."""
        return context_of(self.model.config)


def _is_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in text
