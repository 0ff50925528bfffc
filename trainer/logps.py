"""Log-probability of each answer in a padded batch, without work spent on padding."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from .shared_prefix import largest_allowed, share_prompts, why_not_shared

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

    On one CPU process rows are run in groups of about the same length, each padded
    only to its own longest row, and the output layer sees completion positions
    only; where `trainer.shares_prompts`, both answers of a pair follow one prompt.
    Elsewhere the whole batch goes through TRL's fused output layer.

    Args:
        trainer: The `DPOTrainer` that owns the model.
        model: The model as the trainer wrapped it.
        batch: `input_ids`, `attention_mask`, `completion_mask`, (N, T), padded right.

    Returns:
        Nats per row, and completion tokens per row, both (N,).
    """
    tokens = batch["completion_mask"][:, 1:].sum(dim=1)  # (N,)
    if not _runs_direct(trainer):
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
        output = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            labels=labels,
            use_cache=False,
            fused_lm_head=True,
        )
        return output.log_probs.sum(dim=1), tokens
    if trainer.shares_prompts:
        with trainer.accelerator.autocast():
            return _shared_logps(_causal(trainer), batch), tokens
    lengths = batch["attention_mask"].sum(dim=1)
    order = lengths.argsort(stable=True)
    groups = []
    with trainer.accelerator.autocast():
        for rows in torch.split(order, _ROWS_PER_GROUP):
            width = int(lengths[rows].max())
            groups.append(_group_logps(_causal(trainer), batch, rows, width))
    return torch.cat(groups)[order.argsort()], tokens


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


def _shared_logps(causal: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Log-probs of all 2B answers, in groups of pairs of about the same length, (2B,)."""
    pairs = batch["input_ids"].shape[0] // 2
    lengths = batch["attention_mask"].sum(dim=1)
    order = (lengths[:pairs] + lengths[pairs:]).argsort(stable=True)
    found = torch.zeros(2 * pairs)
    for some in torch.split(order, _ROWS_PER_GROUP // 2):
        rows = torch.cat([some, some + pairs])
        width = int(lengths[rows].max())
        part = {
            name: batch[name][rows, :width]
            for name in ("input_ids", "attention_mask", "completion_mask")
        }
        found = found.index_add(0, rows, _shared_group_logps(causal, part))
    return found


def _shared_group_logps(causal: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    rows = share_prompts(batch)
    hidden = causal.base_model(
        input_ids=rows.ids, attention_mask=rows.mask, position_ids=rows.positions, use_cache=False
    ).last_hidden_state.flatten(0, 1)  # (B * S, D)
    logits = causal.get_output_embeddings()(hidden[rows.predictors])  # (M, V)
    token_logps = -F.cross_entropy(logits.float(), rows.targets, reduction="none")  # (M,)
    return torch.zeros(batch["input_ids"].shape[0]).index_add(0, rows.owners, token_logps)


def choose_layout(trainer: Any, rows: list[dict[str, Any]]) -> str:
    """Lets the trainer share prompts where the model can, and says what it does.

    A model that looks able is tried on two pairs, both ways; it shares if every
    answer has the same log-prob up to rounding.

    Args:
        trainer: The trainer, its adapter still fresh.
        rows: Tokenized pairs.

    Returns:
        "prompts shared", or "plain batches: " and the reason.
    """
    trainer.shares_prompts = False
    if not _runs_direct(trainer):
        return "plain batches: prompts are shared on one CPU process only"
    reason = why_not_shared(_causal(trainer))
    if reason:
        return f"plain batches: {reason}"
    tried = [{**row, "ref_chosen_logps": 0.0, "ref_rejected_logps": 0.0} for row in rows[:2]]
    batch = trainer.data_collator(tried)
    was_training = trainer.model.training
    trainer.model.eval()
    with torch.no_grad():
        plain, tokens = completion_logps(trainer, trainer.model, batch)
        trainer.shares_prompts = True
        shared, _ = completion_logps(trainer, trainer.model, batch)
    trainer.model.train(was_training)
    worst = float(((plain - shared).abs() / tokens).max())
    allowed = largest_allowed(next(trainer.model.parameters()).dtype)
    if worst > allowed:
        trainer.shares_prompts = False
        return f"plain batches: shared prompts change log-probs by {worst:.2g} nats per token"
    return "prompts shared"


def _causal(trainer: Any) -> Any:
    """The causal language model inside wrapper and adapter; adapters act on its layers."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _runs_direct(trainer: Any) -> bool:
    """One CPU process, and an output layer that is nothing but a matrix."""
    config = trainer.model.config.get_text_config()
    plain = all(getattr(config, name, None) in (None, 1.0) for name in _SCALED)
    one = trainer.accelerator.num_processes == 1 and trainer.accelerator.device.type == "cpu"
    return bool(plain and one)
