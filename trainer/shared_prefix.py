"""A prompt computed once for both of its answers."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch

_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.05}
"""Largest difference, mean nats per token, between shared and plain rows of one pair."""


@dataclass(frozen=True, slots=True)
class SharedRows:
    """Pairs laid out as `prompt chosen rejected`, one pair a row.

    Attributes:
        ids: (B, S), padded right.
        positions: (B, S); the rejected answer counts on from the prompt's end, as the
            chosen one does.
        mask: (B, 1, S, S), True where a query (row) may look at a key (column): its
            own past, but from the rejected answer never at the chosen one.
        predictors: (M,) place, in the flattened (B * S), whose output predicts a token.
        targets: (M,) that token.
        owners: (M,) the answer it belongs to: chosen of pair b is b, rejected is B + b.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    predictors: torch.Tensor
    targets: torch.Tensor
    owners: torch.Tensor


def share_prompts(batch: dict[str, torch.Tensor]) -> SharedRows:
    """Lays out TRL's batch of 2B padded rows (chosen first) as B shared ones.

    Krishna et al. 2024 ("Accelerating direct preference optimization with prefix
    sharing", arXiv:2410.20305) describe the layout.

    Args:
        batch: `input_ids`, `attention_mask`, `completion_mask`, (2B, T), padded right,
            chosen and rejected of a pair with the same prompt.
    """
    ids, filled = batch["input_ids"], batch["attention_mask"].sum(dim=1)  # (2B, T), (2B,)
    lengths = filled.tolist()
    prompts = (filled - batch["completion_mask"].sum(dim=1)).tolist()
    pairs = ids.shape[0] // 2
    totals = [lengths[b] + lengths[pairs + b] - prompts[b] for b in range(pairs)]
    width = max(totals)
    shared = ids.new_zeros(pairs, width)
    positions = ids.new_zeros(pairs, width)
    mask = torch.ones(width, width, dtype=torch.bool, device=ids.device).tril().repeat(pairs, 1, 1)
    predictors: list[torch.Tensor] = []
    targets: list[torch.Tensor] = []
    owners: list[torch.Tensor] = []
    for b in range(pairs):
        prompt, split, end = prompts[b], lengths[b], totals[b]
        rejected = ids[pairs + b, prompt : lengths[pairs + b]]
        shared[b, :split], shared[b, split:end] = ids[b, :split], rejected
        places = torch.arange(width, device=ids.device)
        positions[b] = places
        positions[b, split:end] = places[split:end] - (split - prompt)
        mask[b, split:, prompt:split] = False
        for first, last, owner in ((prompt, split, b), (split, end, pairs + b)):
            own = places[first:last]
            before = own - 1
            before[:1] = prompt - 1  # the prompt's last token predicts either first token
            predictors.append(before + b * width)
            targets.append(shared[b, first:last])
            owners.append(torch.full_like(own, owner))
    return SharedRows(
        shared,
        positions,
        mask[:, None],
        torch.cat(predictors),
        torch.cat(targets),
        torch.cat(owners),
    )


def why_not_shared(model: Any) -> str:
    """Why a model must compute each answer's prompt by itself; "" if nothing speaks for it.

    Only causal models whose layers all attend to the whole past, whose positions
    can be given, and whose attention takes a mask of its own can share. Not covered:
    models whose remote code does something else; `choose_layout` tries them out.
    """
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        return f"its layers are {', '.join(sorted(kinds))}"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return "its attention has a sliding window"
    attention = getattr(config, "_attn_implementation", None)
    if attention not in {"sdpa", "eager"}:
        return f"its attention is {attention!r}, not sdpa or eager"
    if "position_ids" not in inspect.signature(model.base_model.forward).parameters:
        return "its positions cannot be given"
    return ""


def largest_allowed(dtype: torch.dtype) -> float:
    """Largest difference to plain rows, mean nats per token, that passes for rounding."""
    return _TOLERANCE.get(dtype, _TOLERANCE[torch.bfloat16])
