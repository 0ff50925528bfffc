"""The decode loop: one batch of left-padded prompts, continued token by token."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..reasoning import is_mark
from ..request import Request
from .kv_cache import in_blocks, make_cache
from .sampling import choose_tokens, uniform_numbers
from .shared_prefix import plan_prefixes

_SHRINK_AT = 0.75  # the batch is repacked once at most this share of it still runs


@dataclass(slots=True)
class Row:
    """One answer in the making.

    Attributes:
        request: What is asked.
        ids: Prompt tokens.
        limit: Most new tokens; the request's, and room for thoughts where there are some.
        tokens: New tokens so far, the one that ended the answer left out.
        logprobs: Their log-probabilities under the model at temperature 1 (nats).
        finish: "stop", "length", "broken" where the model gave no numbers, or "" while running.
        text: Thoughts and answer, cut before a stop string; set when finished. Special tokens
            are left out, but not the marks of thoughts.
        marked: Whether there are such marks.
        seed: Seeds its generator; None: `row_seed` of the request.
    """

    request: Request
    ids: list[int]
    limit: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: str = ""
    text: str = ""
    marked: bool = False
    seed: int | None = None

    def end(self, tokenizer: Any, finish: str) -> None:
        """Sets how the answer ended and its text, cut before the first stop string."""
        self.finish = finish
        text, self.marked = text_of(self.tokens, tokenizer)
        cuts = [text.find(stop) for stop in self.request.stop if stop in text]
        self.text = text[: min(cuts)] if cuts else text


def pad_left(
    rows: Sequence[Sequence[int]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Left-padded ids, their mask and positions, each (B, T), int64. The padding is id 0."""
    longest = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, longest - len(row) :] = torch.tensor(list(row))
        mask[index, longest - len(row) :] = 1
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return ids.to(device), mask.to(device), positions.to(device)


@torch.inference_mode()
def decode(
    model: Any,
    tokenizer: Any,
    rows: list[Row],
    stop_ids: frozenset[int],
    stopped: Callable[[], bool],
) -> None:
    """Fills `tokens`, `logprobs`, `finish` and `text` of every row.

    Beginnings that rows share are read once, and finished rows leave the batch early. What
    a row draws depends on its own request; its logits may differ in the last bits with the
    batch's shape.

    Args:
        model: A causal language model of transformers, in eval mode.
        tokenizer: Its tokenizer.
        rows: The batch; none finished yet, `limit` at least 1.
        stop_ids: Tokens that end an answer.
        stopped: Asked before each step; True raises KeyboardInterrupt.
    """
    device = model.device
    steps = max(row.limit for row in rows)
    requests, seeds = [row.request for row in rows], [row.seed for row in rows]
    numbers = uniform_numbers(requests, steps, seeds).to(device)  # (B, steps)
    warmth = torch.tensor([row.request.temperature for row in rows], device=device)
    top_p = torch.tensor([row.request.top_p for row in rows], dtype=torch.float64, device=device)
    cache = make_cache(model.config)
    ids, mask, positions = read_prefixes(model, cache, [row.ids for row in rows])
    live = list(range(len(rows)))
    for step in range(steps):
        if stopped():
            raise KeyboardInterrupt
        out = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits = out.logits[:, -1].float()  # (B, V)
        chosen = choose_tokens(logits, warmth[live], top_p[live], numbers[live, step])  # (B,)
        picked = logits.gather(1, chosen[:, None]).squeeze(1)
        logprobs = (picked - logits.logsumexp(-1)).tolist()
        for index, token, logprob in zip(live, chosen.tolist(), logprobs, strict=True):
            if not rows[index].finish:
                append_token(rows[index], token, logprob, tokenizer, stop_ids)
        keep = [place for place, index in enumerate(live) if not rows[index].finish]
        if not keep:
            return
        if len(keep) <= _SHRINK_AT * len(live):
            where = torch.tensor(keep, device=device)
            cache.batch_select_indices(where)
            chosen, mask, positions = chosen[where], mask[where], positions[where]
            live = [live[place] for place in keep]
        ids = chosen[:, None]  # (B, 1)
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=-1)
        positions = positions[:, -1:] + 1


def read_prefixes(
    model: Any, cache: Any, rows: list[list[int]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Reads shared beginnings into the cache, one row each, and hands them to their rows.

    Returns:
        What is left to read: ids and positions (B, S), and the mask (B, P + S) over the P
        cached positions and those.
    """
    device = model.device
    plan = plan_prefixes(rows) if in_blocks(cache) else None
    if plan is None:
        return pad_left(rows, device)
    ids, mask, positions = pad_left(plan.prefixes, device)
    model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    chosen = torch.tensor(plan.of_row, device=device)
    cache.batch_select_indices(chosen)
    lengths = [len(plan.prefixes[number]) for number in plan.of_row]
    rest = [row[length:] for row, length in zip(rows, lengths, strict=True)]
    ids, own, positions = pad_left(rest, device)
    positions = positions + torch.tensor(lengths, device=device)[:, None]
    return ids, torch.cat([mask[chosen], own], dim=-1), positions


def append_token(
    row: Row, token: int, logprob: float, tokenizer: Any, stop_ids: frozenset[int]
) -> None:
    """Adds a token to an answer, or ends it: by a stop id, a stop string, its limit or a fault."""
    if not math.isfinite(logprob):
        row.end(tokenizer, "broken")
    elif token in stop_ids:
        row.end(tokenizer, "stop")
    else:
        row.tokens.append(token)
        row.logprobs.append(logprob)
        if row.request.stop and _has_stop(row, tokenizer):
            row.end(tokenizer, "stop")
        elif len(row.tokens) >= row.limit:
            row.end(tokenizer, "length")


def _has_stop(row: Row, tokenizer: Any) -> bool:
    # A token is at least one byte, a character at most four: this tail is long enough.
    longest = max(len(stop) for stop in row.request.stop)
    tail = tokenizer.decode(row.tokens[-4 * longest - 4 :], skip_special_tokens=True)
    return any(stop in tail for stop in row.request.stop)


def text_of(tokens: Sequence[int], tokenizer: Any) -> tuple[str, bool]:
    """The text without special tokens, save marks of thoughts, and whether there are any."""
    special = set(tokenizer.all_special_ids)
    marks = [t for t in set(tokens) & special if is_mark(tokenizer.decode([t]))]
    if not marks:
        return str(tokenizer.decode(tokens, skip_special_tokens=True)), False
    kept = [t for t in tokens if t in marks or t not in special]
    return str(tokenizer.decode(kept, skip_special_tokens=False)), True
