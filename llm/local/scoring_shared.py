"""Options of one question, scored behind one pass over what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..request import Score
from .decoding import read_prefixes
from .kv_cache import make_cache

Item = tuple[list[int], int]
"""Token ids of conversation and answer, and how many belong to the answer."""


def group_items(items: Sequence[Item], owners: Sequence[object]) -> list[list[int]]:
    """Places of items with the same owner (the same request), in order of appearance."""
    groups: dict[object, list[int]] = {}
    for place, owner in enumerate(owners):
        groups.setdefault(owner, []).append(place)
    return list(groups.values())


def common_length(rows: Sequence[Item]) -> int:
    """Tokens all rows share at their beginning, short of the last one before any answer.

    The token before an answer predicts it, so it belongs to what is not shared.
    """
    least = min(len(ids) - count for ids, count in rows) - 1
    first = rows[0][0]
    same = 0
    while same < least and all(ids[same] == first[same] for ids, _ in rows):
        same += 1
    return same


@torch.inference_mode()
def score_shared(model: Any, groups: Sequence[Sequence[Item]]) -> list[list[Score]]:
    """Scores groups of rows; each group's common beginning is read once.

    Two passes: the beginnings of all groups, left-padded, fill a cache; then the
    rest of every row of a group is read in one sequence behind it, each row blind
    to the others. What the beginnings themselves share (a system prompt) is read
    once before both. In fp32 equal to one pass per row up to rounding.

    Args:
        model: A causal language model of transformers, in eval mode, that attends
            to everything (no sliding windows).
        groups: Rows by group; every answer has at least one token, and every group
            at least one common token (`common_length`).

    Returns:
        The scores in the groups' order.
    """
    shared = [common_length(rows) for rows in groups]
    heads = [rows[0][0][:same] for rows, same in zip(groups, shared, strict=True)]
    cache = make_cache(model.config)
    ids, mask, positions = read_prefixes(model, cache, heads)  # (G, S), (G, P + S), (G, S)
    model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    tails = [[ids[same:] for ids, _ in rows] for rows, same in zip(groups, shared, strict=True)]
    packed = _pack(tails, shared, mask, model.dtype)
    out = model(
        input_ids=packed.ids,
        attention_mask=packed.mask,
        position_ids=packed.positions,
        past_key_values=cache,
        use_cache=True,
    )
    return [
        [
            answer_score(out.logits[number, end - count - 1 : end - 1], tail[-count:])
            for tail, end, (_, count) in zip(tails[number], packed.ends[number], rows, strict=True)
        ]
        for number, rows in enumerate(groups)
    ]


@dataclass(frozen=True, slots=True)
class _Packed:
    """The rests of all rows, one sequence a group.

    Attributes:
        ids: (G, S), padded on the right with 0.
        mask: (G, 1, S, T + S), 0 where a token may look, else the lowest number.
        positions: (G, S), counted from the row's own beginning.
        ends: Per group, where each row's tokens end in its sequence.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor
    ends: list[list[int]]


def _pack(
    tails: Sequence[Sequence[Sequence[int]]],
    shared: Sequence[int],
    head_mask: torch.Tensor,
    dtype: torch.dtype,
) -> _Packed:
    size = max(sum(len(tail) for tail in rows) for rows in tails)
    groups, width = head_mask.shape
    ids = torch.zeros(groups, size, dtype=torch.long)
    positions = torch.zeros_like(ids)
    may = torch.zeros(groups, size, width + size, dtype=torch.bool)
    may[:, :, :width] = head_mask.bool().cpu()[:, None, :]
    ends: list[list[int]] = []
    for number, rows in enumerate(tails):
        ends.append([])
        start = 0
        for tail in rows:
            stop = start + len(tail)
            ids[number, start:stop] = torch.tensor(list(tail))
            positions[number, start:stop] = shared[number] + torch.arange(len(tail))
            seen = torch.ones(len(tail), len(tail), dtype=torch.bool).tril()
            may[number, start:stop, width + start : width + stop] = seen
            ends[-1].append(stop)
            start = stop
    mask = torch.zeros(may.shape, dtype=dtype).masked_fill(~may, torch.finfo(dtype).min)
    device = head_mask.device
    return _Packed(ids.to(device), mask[:, None].to(device), positions.to(device), ends)


def answer_score(logits: torch.Tensor, answer: Sequence[int]) -> Score:
    """Sum of the answer's log-probabilities, and whether each token was the likeliest.

    Args:
        logits: (C, V), position by position before each token of the answer.
        answer: C token ids.
    """
    logits = logits.float()
    targets = torch.tensor(list(answer), device=logits.device)
    picked = logits.gather(1, targets[:, None]).squeeze(1)
    total = (picked - logits.logsumexp(-1)).double().sum()
    greedy = bool((logits.argmax(-1) == targets).all())
    return Score(float(total), len(answer), greedy)
