"""Log-probabilities of both answers of some pairs under a model in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from ..shared_prefix import IGNORED, dense_mask, share_prompts, why_not_shared


def pair_means(trainer: Any, rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    """Mean log-probability per token of chosen and rejected answers.

    The prompt is computed once for both answers where the model can. The output layer
    sees the answers' positions only. Works with any trainer of transformers, whatever
    its loss; one process.

    Args:
        trainer: The trainer that owns the model, which is in eval mode.
        rows: `prompt_ids`, `chosen_ids`, `rejected_ids`.

    Returns:
        Nats per token of the chosen and of the rejected answers, in order.
    """
    if not rows:
        return [], []
    model = trainer.accelerator.unwrap_model(trainer.model)
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    device = next(model.parameters()).device
    batch = {name: value.to(device) for name, value in _padded(rows).items()}
    with torch.no_grad(), trainer.accelerator.autocast():
        sums = _shared(causal, batch) if not why_not_shared(causal) else _plain(causal, batch)
    means = (sums.cpu() / batch["completion_mask"].sum(dim=1).cpu()).tolist()
    return means[: len(rows)], means[len(rows) :]


def _padded(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """(2B, T), chosen rows first, padded right."""
    texts = [
        (row["prompt_ids"], row[side]) for side in ("chosen_ids", "rejected_ids") for row in rows
    ]
    width = max(len(prompt) + len(answer) for prompt, answer in texts)
    batch = {
        name: torch.zeros(len(texts), width, dtype=torch.long)
        for name in ("input_ids", "attention_mask", "completion_mask")
    }
    for place, (prompt, answer) in enumerate(texts):
        end = len(prompt) + len(answer)
        batch["input_ids"][place, :end] = torch.tensor([*prompt, *answer])
        batch["attention_mask"][place, :end] = 1
        batch["completion_mask"][place, len(prompt) : end] = 1
    return batch


def _shared(causal: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    rows = share_prompts(batch)
    hidden = causal.base_model(
        input_ids=rows.ids,
        attention_mask=dense_mask(rows),
        position_ids=rows.positions,
        use_cache=False,
    ).last_hidden_state  # (B, S, D)
    scored = rows.labels != IGNORED  # (B, S)
    logits = causal.get_output_embeddings()(hidden[scored])  # (M, V)
    values = -F.cross_entropy(logits.float(), rows.labels[scored], reduction="none")  # (M,)
    sums = torch.zeros(len(batch["input_ids"]), device=values.device)
    return sums.index_add(0, rows.owners[scored], values)


def _plain(causal: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    ids, scored = batch["input_ids"], batch["completion_mask"][:, 1:].bool()  # (2B, T - 1)
    out = causal(input_ids=ids, attention_mask=batch["attention_mask"], use_cache=False)
    logits = out.logits[:, :-1][scored].float()  # (M, V)
    values = -F.cross_entropy(logits, ids[:, 1:][scored], reduction="none")
    sums = torch.zeros(scored.shape, device=ids.device)
    return sums.masked_scatter(scored, values).sum(dim=1)
