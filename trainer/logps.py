"""Log-probability of each answer in a padded batch, without work spent on padding."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from .attention import uses_flex
from .shared_prefix import (
    IGNORED,
    SharedRows,
    block_mask,
    dense_mask,
    share_prompts,
    why_not_shared,
)

_ROWS_PER_GROUP = 8
_SCALED = (
    "final_logit_softcapping",
    "logit_scale",
    "output_multiplier",
    "lm_head_multiplier",
    "logits_scaling",
)


def completion_logps(
    trainer: Any, model: Any, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed log-probability of every row's completion.

    Where `trainer.shares_prompts`, both answers of a pair follow one prompt, and
    `trainer.pairs_per_row` pairs are packed in a row. On one CPU process rows are run in
    groups of about the same length, each padded only to its own longest row, and the
    output layer sees completion positions only. Elsewhere the batch is one pass through
    the model as it is wrapped (DDP, FSDP, DeepSpeed) and TRL's fused output layer.

    Args:
        trainer: The `DPOTrainer` that owns the model.
        model: The model as the trainer wrapped it.
        batch: `input_ids`, `attention_mask`, `completion_mask`, (N, T), padded right.

    Returns:
        Nats per row, and completion tokens per row, both (N,).
    """
    tokens = batch["completion_mask"][:, 1:].sum(dim=1)  # (N,)
    direct = runs_direct(trainer)
    with trainer.accelerator.autocast():
        if trainer.shares_prompts and direct:
            return _shared_logps(causal_model(trainer), batch, trainer.pairs_per_row), tokens
        if trainer.shares_prompts:
            return _shared_logps_wrapped(trainer, model, batch), tokens
        if direct:
            return _plain_logps(causal_model(trainer), batch), tokens
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
        output = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            labels=labels,
            use_cache=False,
            fused_lm_head=True,
        )
        return output.log_probs.sum(dim=1), tokens


def measured_logps(
    trainer: Any, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same outside a step, under any trainer of transformers, without gradients.

    The prompt is computed once for both answers where the model can, and the output layer
    sees the answers' positions only, on any one device. One process.

    Args:
        trainer: The trainer that owns the model; its loss does not matter.
        batch: As in `completion_logps`, on the model's device.
    """
    causal = causal_model(trainer)
    tokens = batch["completion_mask"][:, 1:].sum(dim=1)  # (N,)
    with torch.no_grad(), trainer.accelerator.autocast():
        if not has_plain_head(causal):
            return _whole_logps(causal, batch), tokens
        if why_not_shared(causal):
            return _plain_logps(causal, batch), tokens
        return _shared_logps(causal, batch, 1), tokens


def _whole_logps(causal: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Log-probs through the model's own output layer, whatever it does to logits, (N,)."""
    ids, scored = batch["input_ids"], batch["completion_mask"][:, 1:].bool()  # (N, T - 1)
    out = causal(input_ids=ids, attention_mask=batch["attention_mask"], use_cache=False)
    token_logps = _of_tokens(out.logits[:, :-1][scored], ids[:, 1:][scored])  # (M,)
    return _per_row(scored, token_logps)


def _of_tokens(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Log-prob of each token under its position's logits, (M, V) and (M,) -> (M,)."""
    return -F.cross_entropy(logits.float(), ids, reduction="none")


def _per_row(scored: torch.Tensor, token_logps: torch.Tensor) -> torch.Tensor:
    """Sums per row of what was scored, (N, T) and (M,) -> (N,)."""
    empty = torch.zeros(scored.shape, device=token_logps.device)
    return empty.masked_scatter(scored, token_logps).sum(dim=1)


def _plain_logps(causal: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Log-probs of all rows, in groups of about the same length, (N,)."""
    lengths = batch["attention_mask"].sum(dim=1)
    order = lengths.argsort(stable=True)
    groups = []
    for rows in torch.split(order, _ROWS_PER_GROUP):
        width = int(lengths[rows].max())
        groups.append(_group_logps(causal, batch, rows, width))
    return torch.cat(groups)[order.argsort()]


def _group_logps(
    causal: Any, batch: dict[str, torch.Tensor], rows: torch.Tensor, width: int
) -> torch.Tensor:
    """Log-probs of some rows cut to `width` columns (only padding is cut), (rows,)."""
    ids, attention, mask = (
        batch[name][rows, :width] for name in ("input_ids", "attention_mask", "completion_mask")
    )
    hidden = causal.base_model(input_ids=ids, attention_mask=attention, use_cache=False)
    scored = mask[:, 1:].bool()  # (n, t - 1): position i predicts token i + 1
    logits = causal.get_output_embeddings()(hidden.last_hidden_state[:, :-1][scored])  # (M, V)
    return _per_row(scored, _of_tokens(logits, ids[:, 1:][scored]))


def _shared_logps(causal: Any, batch: dict[str, torch.Tensor], pairs_per_row: int) -> torch.Tensor:
    """Log-probs of all 2B answers, in groups of pairs of about the same length, (2B,)."""
    pairs = batch["input_ids"].shape[0] // 2
    lengths = batch["attention_mask"].sum(dim=1)
    order = (lengths[:pairs] + lengths[pairs:]).argsort(stable=True)
    found = torch.zeros(2 * pairs, device=order.device)
    for some in torch.split(order, _ROWS_PER_GROUP // 2):
        answers = torch.cat([some, some + pairs])
        rows = share_prompts(_part(batch, answers), pairs_per_row)
        hidden = causal.base_model(**_inputs(rows, causal)).last_hidden_state
        scored = rows.labels != IGNORED  # (N, S)
        logits = causal.get_output_embeddings()(hidden[scored])  # (M, V)
        token_logps = _of_tokens(logits, rows.labels[scored])
        found = found.index_add(0, answers[rows.owners[scored]], token_logps)
    return found


def _shared_logps_wrapped(trainer: Any, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The same in one pass through the model as it is wrapped, (2B,)."""
    rows = share_prompts(batch, trainer.pairs_per_row)
    inputs = _inputs(rows, causal_model(trainer))
    output = model(**inputs, shift_labels=rows.labels, fused_lm_head=True)
    token_logps: torch.Tensor = output.log_probs.flatten()  # (N * S,), 0 without a label
    answers = batch["input_ids"].shape[0]
    return token_logps.new_zeros(answers).index_add(0, rows.owners.flatten(), token_logps)


def _part(batch: dict[str, torch.Tensor], answers: torch.Tensor) -> dict[str, torch.Tensor]:
    """Some answers of a batch, cut to the longest."""
    width = int(batch["attention_mask"][answers].sum(dim=1).max())
    names = ("input_ids", "attention_mask", "completion_mask")
    return {name: batch[name][answers, :width] for name in names}


def _inputs(rows: SharedRows, causal: Any) -> dict[str, Any]:
    return {
        "input_ids": rows.ids,
        "attention_mask": block_mask(rows) if uses_flex(causal) else dense_mask(rows),
        "position_ids": rows.positions,
        "use_cache": False,
    }


def causal_model(trainer: Any) -> Any:
    """The causal language model inside wrapper and adapter; adapters act on its layers."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def runs_direct(trainer: Any) -> bool:
    """One CPU process, and an output layer that is nothing but a matrix."""
    one = trainer.accelerator.num_processes == 1 and trainer.accelerator.device.type == "cpu"
    return bool(one and has_plain_head(trainer.model))


def has_plain_head(model: Any) -> bool:
    """Whether the output layer is nothing but a matrix: logits are not scaled or capped."""
    config = model.config.get_text_config()
    return all(getattr(config, name, None) in (None, 1.0) for name in _SCALED)
