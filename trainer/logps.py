"""Log-probability of each answer in a padded batch, without work spent on padding."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from .attention import uses_flex
from .shared_prefix import IGNORED, SharedRows, block_mask, dense_mask, share_prompts

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
            return _shared_logps(trainer, batch), tokens
        if trainer.shares_prompts:
            return _shared_logps_wrapped(trainer, model, batch), tokens
        if direct:
            return _plain_logps(trainer, batch), tokens
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
        output = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            labels=labels,
            use_cache=False,
            fused_lm_head=True,
        )
        return output.log_probs.sum(dim=1), tokens


def _plain_logps(trainer: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Log-probs of all rows, in groups of about the same length, (N,)."""
    lengths = batch["attention_mask"].sum(dim=1)
    order = lengths.argsort(stable=True)
    groups = []
    for rows in torch.split(order, _ROWS_PER_GROUP):
        width = int(lengths[rows].max())
        groups.append(_group_logps(causal_model(trainer), batch, rows, width))
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
    token_logps = -F.cross_entropy(logits.float(), ids[:, 1:][scored], reduction="none")  # (M,)
    return torch.zeros(scored.shape).masked_scatter(scored, token_logps).sum(dim=1)


def _shared_logps(trainer: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Log-probs of all 2B answers, in groups of pairs of about the same length, (2B,)."""
    causal = causal_model(trainer)
    pairs = batch["input_ids"].shape[0] // 2
    lengths = batch["attention_mask"].sum(dim=1)
    order = (lengths[:pairs] + lengths[pairs:]).argsort(stable=True)
    found = torch.zeros(2 * pairs)
    for some in torch.split(order, _ROWS_PER_GROUP // 2):
        answers = torch.cat([some, some + pairs])
        rows = share_prompts(_part(batch, answers), trainer.pairs_per_row)
        hidden = causal.base_model(**_inputs(rows, causal)).last_hidden_state
        scored = rows.labels != IGNORED  # (N, S)
        logits = causal.get_output_embeddings()(hidden[scored])  # (M, V)
        token_logps = -F.cross_entropy(logits.float(), rows.labels[scored], reduction="none")
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
    config = trainer.model.config.get_text_config()
    plain = all(getattr(config, name, None) in (None, 1.0) for name in _SCALED)
    one = trainer.accelerator.num_processes == 1 and trainer.accelerator.device.type == "cpu"
    return bool(plain and one)
