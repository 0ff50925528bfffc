"""FlexAttention for shared-prefix rows, on GPUs."""

from __future__ import annotations

from typing import Any

import torch

NAME = "anlage_shared_prefix"


def why_not_flex(model: Any) -> str:
    """Why FlexAttention is not tried for a model; "" if nothing speaks against it.

    It skips the blocks of the mask in which nothing may be seen, which a dense mask
    computes and throws away. On a CPU it has no backward pass.

    Args:
        model: The causal model, where it will be trained.
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
