"""What a model's own build demands of a training: padding, ids, dropout, layers for adapters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...errors import TrainingError


def ensure_padding(tokenizer: Any, model: Any) -> None:
    """Pads with the end token where there is no padding token the model has an embedding for.

    A padding token added to a tokenizer alone lies beyond the model's embeddings.
    """
    known = _embeddings(model)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= known:
        tokenizer.pad_token = tokenizer.eos_token


def check_ids(rows: Sequence[dict[str, Any]], model: Any) -> None:
    """Refuses tokens that the model has no embedding for.

    Raises:
        TrainingError: There is such a token; on a GPU it would end the whole process.
    """
    known = _embeddings(model)
    names = ("prompt_ids", "chosen_ids", "rejected_ids", "input_ids")
    highest = max(max(row[name], default=0) for row in rows for name in names if name in row)
    if highest >= known:
        raise TrainingError(
            f"the tokenizer gives token {highest}, and the model has embeddings for {known} tokens "
            "only: tokens were added to the tokenizer alone. Use the tokenizer the model came "
            "with, or add rows with model.resize_token_embeddings(len(tokenizer)) and save both."
        )


def silence_dropout(model: Any) -> None:
    """Switches every dropout of a model off, in place: modules, and rates kept as numbers.

    Some models (OPT, XGLM, Seed-OSS) call dropout as a function with a rate of their
    layer. The reference is measured without dropout, so the policy must have none either.

    Args:
        model: The base, before an adapter is put on: the adapter's dropout is a setting.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if isinstance(value, float) and _is_rate(name):
                setattr(module, name, 0.0)


def _is_rate(name: str) -> bool:
    """Whether an attribute's name is that of a dropout rate, as the model classes write it."""
    return "dropout" in name or name in {"layerdrop", "layer_drop", "drop_rate", "drop_path"}


_FUSED = {
    "falcon_h1": ("out_proj", "conv1d"),
    "falcon_mamba": ("out_proj", "conv1d"),
    "mamba": ("out_proj", "conv1d"),
    "mamba2": ("out_proj", "conv1d"),
    "nemotron_h": ("out_proj", "conv1d"),
}
"""Model type -> layers that PEFT refuses, since a kernel reads their weights past the adapter."""


def fused_layers(model: Any) -> tuple[str, ...]:
    """Names of the layers that cannot carry an adapter."""
    return _FUSED.get(model.config.get_text_config().model_type, ())


def _embeddings(model: Any) -> int:
    """Tokens the model has an embedding for."""
    rows: int = model.get_input_embeddings().weight.shape[0]
    return rows
