"""A causal language model of transformers on this machine, behind the `Model` seam."""

from __future__ import annotations

import asyncio
import json
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
from ..reasoning import ends_opened, split_reasoning, without_marks
from ..request import Completion, FinishReason, Model, Outcome, Request, Score, Usage
from .decoding import Row, decode
from .encoding import encode_request, encode_scored, end_ids, rendering_identity
from .fingerprint import combine, hash_state, hash_tokenizer
from .loading import load_parts
from .rendering import Thinking, parse_json, thinks_first
from .scoring import Sharing, score_batch
from .scoring_shared import Item

_TOKEN_BUDGET = 32_768  # most rows x longest row in one batch: bounds memory
_MARK_TOKENS = 12  # hold the mark that ends a rendered prompt, in any tokenizer
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
        self.stop_ids = _stop_ids(model, tokenizer)
        self._fingerprint = fingerprint or combine(
            {"state": hash_state(model), "tokenizer": hash_tokenizer(tokenizer)}
            | _particulars(self.stop_ids, tokenizer, thinking)
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
        stops = _stop_ids(parts.model, parts.tokenizer)
        particular = _particulars(stops, parts.tokenizer, thinking)
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
        thinks = thinks_first(request.messages, self.thinking, request.prefill)
        return request.max_tokens + (self.reasoning_tokens if thinks else 0)

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
                results[index] = _failed(str(error))
                continue
            if len(ids) + request.max_tokens > self._context:
                results[index] = _failed(
                    f"{len(ids)} prompt tokens and max_tokens {request.max_tokens} exceed the "
                    f"model's context of {self._context}"
                )
            else:
                limit = min(self.token_limit(request), self._context - len(ids))
                rows[index] = Row(request, ids, limit), held
        order = list(rows)
        lengths = [len(row.ids) + row.limit for row, _ in rows.values()]
        for batch in plan_batches(lengths, self.batch_size, _TOKEN_BUDGET):
            started = time.perf_counter()
            chosen = [order[place] for place in batch]
            self._halving(lambda part: self._decode(part, stopped), [rows[i][0] for i in chosen])
            each = (time.perf_counter() - started) / len(batch)
            results.update(
                (i, _completion(*rows[i], latency=each, opened=self._thinking(rows[i][0])))
                for i in chosen
            )
        return [results[index] for index in range(len(requests))]

    def _thinking(self, row: Row) -> bool:
        """True if the template has begun the thoughts, so the new text begins inside them."""
        end = "" if row.request.prefill else self.tokenizer.decode(row.ids[-_MARK_TOKENS:])
        return ends_opened(end)

    def _decode(self, rows: Sequence[Row], stopped: Callable[[], bool]) -> list[None]:
        for row in rows:  # a second attempt starts anew
            row.tokens, row.logprobs, row.finish = [], [], ""
        decode(self.model, self.tokenizer, list(rows), self.stop_ids, stopped)
        return [None] * len(rows)

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
            if len(item[0]) > self._context:
                reason = (
                    f"a conversation of {len(item[0])} tokens exceeds the model's context of "
                    f"{self._context}: shorten the system prompt or the text"
                )
                results[index] = Score(math.nan, item[1], reason=reason)
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
    def _context(self) -> int:
        limit = getattr(self.model.config, "max_position_embeddings", None)
        return int(limit) if limit else 1 << 30


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """The model's own stops, the end that is trained, and a new turn's first token."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    several = configured if isinstance(configured, list) else [configured]
    try:
        trained = end_ids(tokenizer)[-1:]
    except NotSupportedError as error:
        raise ModelNotFoundError(str(error)) from error
    found = {*several, *trained, tokenizer.eos_token_id, tokenizer.bos_token_id} - {None}
    if not found:
        raise ModelNotFoundError("the tokenizer has no end-of-text token; set eos_token.")
    return frozenset(int(token) for token in found)


def _particulars(stops: frozenset[int], tokenizer: Any, thinking: Thinking) -> dict[str, str]:
    """What decides answers beside weights and tokenizer; empty where nothing does.

    So a model whose generation config and template add nothing keeps its fingerprint.
    """
    more = sorted(stops - {tokenizer.eos_token_id, tokenizer.bos_token_id})
    found = {
        "stops": json.dumps(more) if more else "",
        "rendering": rendering_identity(tokenizer, thinking),
    }
    return {name: part for name, part in found.items() if part}


def _completion(row: Row, held: bool, *, latency: float, opened: bool = False) -> Completion:
    text = row.text[1:] if held and row.text.startswith(" ") else row.text
    reasoning, text = split_reasoning(text, opened=opened)
    text = without_marks(text) if row.marked else text
    parsed = parse_json(row.request.prefill + text) if row.request.schema else None
    if row.finish == "broken":
        reason = (
            "the model gives log-probabilities that are not finite: check its weights, or load "
            "it with dtype float32"
        )
        usage = Usage(len(row.ids), len(row.tokens))
        outcome = Outcome("malformed", reason)
        return Completion(text, finish="error", usage=usage, latency=latency, outcome=outcome)
    finish: FinishReason = "length" if row.finish == "length" else "stop"
    outcome = Outcome("truncated") if finish == "length" else Outcome()
    if reasoning and not text.strip():
        said = f"the model was still thinking after {len(row.tokens)} tokens: raise max_tokens "
        said += "or reasoning_tokens"
        whole = Outcome("malformed", "the model thought, but gave no answer")
        outcome = Outcome("truncated", said) if finish == "length" else whole
    return Completion(
        text=text,
        parsed=parsed,
        finish=finish,
        usage=Usage(len(row.ids), len(row.tokens)),
        latency=latency,
        logprobs=tuple(row.logprobs),
        outcome=outcome,
        reasoning=reasoning,
    )


def _failed(reason: str) -> Completion:
    return Completion(text="", finish="error", outcome=Outcome("error", reason))


def _is_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in text
