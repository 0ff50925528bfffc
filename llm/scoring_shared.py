"""Options of one question, scored behind one pass over what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .decoding import pad_left
from .kv_cache import make_cache
from .request import Score

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

    Two passes: the beginnings of all groups, left-padded, fill a cache; the cache
    is repeated for every row, and the rows' ends, right-padded, are read behind
    it. In fp32 equal to one pass per row up to rounding.

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
    ids, mask, positions = pad_left(heads, model.device)  # (G, T)
    cache = make_cache(model.config)
    model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    owner = [number for number, rows in enumerate(groups) for _ in rows]
    index = torch.tensor(owner, device=model.device)
    cache.batch_select_indices(index)
    tails = [
        (row[same:], count)
        for rows, same in zip(groups, shared, strict=True)
        for row, count in rows
    ]
    width = max(len(tail) for tail, _ in tails)
    ends = torch.zeros(len(tails), width, dtype=torch.long)
    live = torch.zeros_like(ends)
    for place, (tail, _) in enumerate(tails):
        ends[place, : len(tail)] = torch.tensor(tail)
        live[place, : len(tail)] = 1
    ends, live = ends.to(model.device), live.to(model.device)
    start = torch.tensor([len(heads[number]) for number in owner], device=model.device)
    out = model(
        input_ids=ends,
        attention_mask=torch.cat([mask[index], live], dim=1),
        position_ids=start[:, None] + torch.arange(width, device=model.device)[None],
        past_key_values=cache,
        use_cache=True,
    )
    flat = [
        answer_score(out.logits[place, len(tail) - count - 1 : len(tail) - 1], tail[-count:])
        for place, (tail, count) in enumerate(tails)
    ]
    scores = iter(flat)
    return [[next(scores) for _ in rows] for rows in groups]


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
