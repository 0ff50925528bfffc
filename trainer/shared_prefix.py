"""A prompt computed once for both of its answers, several pairs in one row, and FlexAttention."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch

IGNORED = -100
"""Label of a position whose prediction is not scored."""

_PROMPT, _CHOSEN, _REJECTED = range(3)
_PADDING = -1
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.05}
"""Largest difference, mean nats per token, between shared and plain rows of one pair."""


@dataclass(frozen=True, slots=True)
class SharedRows:
    """Pairs laid out as `prompt chosen rejected`, one or more in a row.

    The prompt's last token, which predicts an answer's first, stands in front of both
    answers, so that every position predicts one token at most: for the prompt 1 2, the
    answers 3 4 and 5, a row is `1 | 2 3 4 | 2 5`.

    Attributes:
        ids: (N, S), padded right.
        positions: (N, S); each pair counts from 0, and its rejected answer goes on from
            the prompt's end, as the chosen one does.
        labels: (N, S), the token that each position predicts, else `IGNORED`.
        owners: (N, S), the answer a label belongs to: chosen of pair b is b, rejected is
            B + b; 0 where there is no label.
        pairs: (N, S), which pair a token belongs to, -1 for padding.
        parts: (N, S), 0 in the prompt, 1 in chosen, 2 in rejected.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    labels: torch.Tensor
    owners: torch.Tensor
    pairs: torch.Tensor
    parts: torch.Tensor


def share_prompts(batch: dict[str, torch.Tensor], pairs_per_row: int = 1) -> SharedRows:
    """Lays out TRL's batch of 2B padded rows (chosen first) as shared ones.

    Krishna et al. 2024 ("Accelerating direct preference optimization with prefix
    sharing", arXiv:2410.20305) describe the layout.

    Args:
        batch: `input_ids`, `attention_mask`, `completion_mask`, (2B, T), padded right,
            chosen and rejected of a pair with the same prompt.
        pairs_per_row: Pairs packed in a row, in the batch's order.
    """
    ids, filled = batch["input_ids"], batch["attention_mask"].sum(dim=1)  # (2B, T), (2B,)
    lengths = filled.tolist()
    prompts = (filled - batch["completion_mask"].sum(dim=1)).tolist()
    count = len(lengths) // 2
    places = torch.arange(ids.shape[1], device=ids.device)
    laid: list[list[torch.Tensor]] = []  # for each pair: ids, positions, labels, owners, pair, part
    for b in range(count):
        prompt, pieces = prompts[b] - 1, []
        for row, part, first, last in (
            (b, _PROMPT, 0, prompt),
            (b, _CHOSEN, prompt, lengths[b]),
            (count + b, _REJECTED, prompt, lengths[count + b]),
        ):
            own = ids[row, first:last]
            labels, owners = torch.full_like(own, IGNORED), torch.zeros_like(own)
            if part != _PROMPT:
                labels[:-1], owners[:-1] = own[1:], row
            marks = (torch.full_like(own, b), torch.full_like(own, part))
            pieces.append((own, places[first:last], labels, owners, *marks))
        laid.append([torch.cat(some) for some in zip(*pieces, strict=True)])
    rows = [laid[first : first + pairs_per_row] for first in range(0, count, pairs_per_row)]
    fill = (0, 0, IGNORED, 0, _PADDING, _PROMPT)
    columns = [
        torch.nn.utils.rnn.pad_sequence(
            [torch.cat([pair[field] for pair in row]) for row in rows],
            batch_first=True,
            padding_value=value,
        )
        for field, value in enumerate(fill)
    ]
    return SharedRows(*columns)


def dense_mask(rows: SharedRows) -> torch.Tensor:
    """Which position (row) may look at which (column), (N, 1, S, S), for SDPA.

    Its own past within its pair, but from the rejected answer never at the chosen one.
    Padding looks at itself alone.
    """
    place = torch.arange(rows.ids.shape[1], device=rows.ids.device)
    past = place[:, None] >= place
    same_pair = rows.pairs[:, :, None] == rows.pairs[:, None]
    part = rows.parts
    visible = (part[:, None] == _PROMPT) | (part[:, :, None] == part[:, None])
    padding = rows.pairs[:, :, None] == _PADDING
    own = place[:, None] == place
    return (past & same_pair & visible & (~padding | own))[:, None]


def block_mask(rows: SharedRows) -> Any:
    """The same as `dense_mask` for FlexAttention, which skips blocks with nothing to see."""
    from torch.nn.attention.flex_attention import create_block_mask

    pairs, parts = rows.pairs, rows.parts

    def may_look(
        row: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor:
        same_pair = pairs[row, query] == pairs[row, key]
        visible = (parts[row, key] == _PROMPT) | (parts[row, query] == parts[row, key])
        return (query >= key) & same_pair & visible

    count, width = rows.ids.shape
    return create_block_mask(may_look, count, None, width, width, device=rows.ids.device)


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


NAME = "anlage_shared_prefix"


def why_not_flex(model: Any) -> str:
    """Why FlexAttention is not tried for a model; "" if nothing speaks against it.

    It skips the blocks of the mask in which nothing may be seen, which a dense mask
    computes and throws away. On a CPU it has no backward pass.
    """
    config = model.config.get_text_config()
    if next(model.parameters()).device.type != "cuda":
        return "no CUDA"
    if not getattr(model, "_supports_flex_attn", False):
        return f"{type(model).__name__} does not take it"
    if getattr(config, "attention_dropout", 0.0):
        return "its attention has dropout"
    return ""


def use_flex(model: Any) -> str:
    """Switches a model's attention to FlexAttention; returns the name of what it was.

    Masks are then `shared_prefix.block_mask`. Undo it with `use_attention`.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import flex_attention_mask

    AttentionInterface.register(NAME, _flex)
    AttentionMaskInterface.register(NAME, flex_attention_mask)
    config = model.config.get_text_config()
    before = str(config._attn_implementation)
    config._attn_implementation = NAME
    return before


def use_attention(model: Any, name: str) -> None:
    """Sets a model's attention by the name `use_flex` returned."""
    model.config.get_text_config()._attn_implementation = name


def uses_flex(model: Any) -> bool:
    """Whether `use_flex` is in force."""
    return bool(model.config.get_text_config()._attn_implementation == NAME)


def _flex(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Transformers' FlexAttention, all three in one type.

    Under autocast the rotation leaves query and key in float32 and value in bfloat16,
    which FlexAttention refuses.
    """
    from transformers.integrations.flex_attention import flex_attention_forward

    kind = value.dtype
    forward: Any = flex_attention_forward
    found: tuple[torch.Tensor, torch.Tensor | None] = forward(
        module, query.to(kind), key.to(kind), value, attention_mask, scaling=scaling
    )
    return found
