"""A causal language model of transformers on this machine, behind the `Model` seam."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from ...errors import ModelNotFoundError, NotSupportedError, OutOfMemoryError
from ..batching import plan_batches
from ..reasoning import split_reasoning
from ..request import Completion, FinishReason, Model, Outcome, Request, Score, Usage
from .decoding import Row, decode
from .fingerprint import combine, hash_state, hash_tokenizer
from .loading import load_parts
from .rendering import encode_request, encode_scored, parse_json
from .scoring import score_batch

_TOKEN_BUDGET = 32_768  # most rows x longest row in one batch: bounds memory
_BEGUN = re.compile(r"<(?:think|thinking|seed:think)>\s*\Z|\[THINK\]\s*\Z")
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

    Raises:
        ModelNotFoundError: The tokenizer has no chat template or no end token.
    """

    batch_size = 32

    def __init__(
        self, model: Any, tokenizer: Any, *, batch_size: int = 32, fingerprint: str | None = None
    ) -> None:
        if not tokenizer.chat_template:
            raise ModelNotFoundError(
                "the tokenizer has no chat template; use an instruction-tuned model, or save "
                "a chat_template.jinja beside it."
            )
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.stop_ids = _stop_ids(model, tokenizer)
        self._fingerprint = fingerprint or combine(
            {"state": hash_state(model), "tokenizer": hash_tokenizer(tokenizer)}
        )
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
    ) -> LocalModel:
        """Loads a model, with a LoRA adapter merged into it where one is given.

        Args:
            name: `smollm2-135m`, a folder, or a hub id.
            adapter: Folder of a LoRA adapter (safetensors), merged in fp32.
            dtype: `auto` (bf16 where the hardware multiplies it, else fp32),
                `bfloat16`, `float16` or `float32`.
            batch_size: Most requests run together.
            threads: CPU threads for the whole process; None leaves torch's choice.

        Raises:
            ModelNotFoundError: No such model or adapter.
            OutOfMemoryError: It does not fit.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        parts = load_parts(str(name), adapter, dtype)
        return cls(
            parts.model, parts.tokenizer, batch_size=batch_size, fingerprint=parts.fingerprint
        )

    @property
    def fingerprint(self) -> str:
        """Hash of weights, adapter, tokenizer, chat template and dtype."""
        return self._fingerprint

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order asked.

        A request too long for the model's context gets an `error` outcome. A
        schema is not enforced: where the answer (prefill included) is JSON,
        `parsed` holds it, else None.

        Raises:
            OutOfMemoryError: Not even half a batch fits.
        """
        return await self._in_thread(lambda stopped: self._complete(requests, stopped))

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Log-probability of each text after its request (prefill included), in order.

        Raises:
            NotSupportedError: A conversation is longer than the model's context.
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
            ids, held = encode_request(self.tokenizer, request)
            if len(ids) + request.max_tokens > self._context:
                results[index] = _failed(
                    f"{len(ids)} prompt tokens and max_tokens {request.max_tokens} exceed the "
                    f"model's context of {self._context}"
                )
            else:
                rows[index] = Row(request, ids), held
        order = list(rows)
        lengths = [len(rows[index][0].ids) + requests[index].max_tokens for index in order]
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
        return bool(_BEGUN.search(end))

    def _decode(self, rows: Sequence[Row], stopped: Callable[[], bool]) -> list[None]:
        for row in rows:  # a second attempt starts anew
            row.tokens, row.logprobs, row.finish = [], [], ""
        decode(self.model, self.tokenizer, list(rows), self.stop_ids, stopped)
        return [None] * len(rows)

    def _score(
        self, texts: Sequence[tuple[Request, str]], stopped: Callable[[], bool]
    ) -> list[Score]:
        items = [encode_scored(self.tokenizer, request, text) for request, text in texts]
        longest = max((len(ids) for ids, _ in items), default=0)
        if longest > self._context:
            raise NotSupportedError(
                f"a conversation of {longest} tokens exceeds the model's context of "
                f"{self._context}: shorten the system prompt or the text"
            )
        owners = [(request.messages, request.prefill) for request, _ in texts]
        # Answers to one question stay together, as long as the longest of them.
        size: dict[object, int] = {}
        for owner, (ids, _) in zip(owners, items, strict=True):
            size[owner] = max(size.get(owner, 0), len(ids))
        results = [Score(0.0, 0)] * len(texts)
        order = plan_batches([size[owner] for owner in owners], self.batch_size, _TOKEN_BUDGET)
        for batch in order:
            if stopped():
                raise KeyboardInterrupt
            scores = self._halving(
                lambda part: score_batch(
                    self.model, [items[i] for i in part], [owners[i] for i in part]
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
    """Everything that ends an answer; a new turn's first token does, too."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    several = configured if isinstance(configured, list) else [configured]
    found = {*several, tokenizer.eos_token_id, tokenizer.bos_token_id} - {None}
    if not found:
        raise ModelNotFoundError("the tokenizer has no end-of-text token; set eos_token.")
    return frozenset(int(token) for token in found)


def _completion(row: Row, held: bool, *, latency: float, opened: bool = False) -> Completion:
    text = row.text[1:] if held and row.text.startswith(" ") else row.text
    reasoning, text = split_reasoning(text, opened=opened)
    parsed = parse_json(row.request.prefill + text) if row.request.schema else None
    finish: FinishReason = "length" if row.finish == "length" else "stop"
    outcome = Outcome("truncated") if finish == "length" else Outcome()
    if reasoning and not text.strip():
        said = f"the model was still thinking after {len(row.tokens)} tokens: raise max_tokens"
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
