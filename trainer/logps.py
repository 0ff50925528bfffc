"""Log-probability of each answer in a batch, and the choice of the layout it is computed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from ..errors import NotSupportedError
from .processes import Processes
from .shared_prefix import (
    IGNORED,
    SharedRows,
    block_mask,
    dense_mask,
    largest_allowed,
    share_prompts,
    use_attention,
    use_flex,
    uses_flex,
    why_not_flex,
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


_TRIED = 2
"""Pairs a layout is tried on."""


def choose_layout(
    trainer: Any,
    rows: Sequence[dict[str, Any]],
    *,
    pairs_per_row: int = 1,
    processes: Processes | None = None,
) -> str:
    """Lets the trainer share prompts where the model can, and says what it does.

    A model that looks able is tried on two pairs, both ways; it shares if every
    answer has the same log-prob up to rounding. On a GPU FlexAttention is tried first,
    then SDPA with a dense mask.

    Args:
        trainer: The trainer, its adapter still fresh.
        rows: Tokenized pairs.
        pairs_per_row: Pairs packed in a row, at most.
        processes: Those that share the training, which must all do the same.

    Returns:
        "prompts shared" with what is particular, or "plain batches: " and the reason.
    """
    causal = causal_model(trainer)
    trainer.shares_prompts = False
    reason = why_not_shared(causal) if trainer.labels_count else "the loss is TRL's own"
    if reason:
        return f"plain batches: {reason}"
    group = processes or Processes()
    trainer.pairs_per_row = pairs_per_row
    packed = f", {pairs_per_row} pairs in a row" if pairs_per_row > 1 else ""
    without = why_not_flex(causal)
    if not without:
        trainer.attention_before = use_flex(causal)
        without = _difference(trainer, rows, group, backward=True)
        if not without:
            return f"prompts shared{packed}, FlexAttention"
        use_attention(causal, trainer.attention_before)
    on_gpu = trainer.accelerator.device.type == "cuda"
    reason = _difference(trainer, rows, group)
    if reason:
        trainer.pairs_per_row = 1
        return f"plain batches: {reason}"
    return f"prompts shared{packed}" + (f", SDPA ({without})" if on_gpu else "")


def refuse_noise(trainer: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Tries whether a training pass gives the log-probs of a measuring one.

    The reference is measured without dropout or other noise. If the policy had some left
    on, the margin would not be 0 before the first step, and every step would train on it.

    Raises:
        NotSupportedError: They differ by more than rounding.
    """
    batch = _few(trainer, rows)
    was_training = trainer.model.training
    found = []
    device = trainer.accelerator.device
    try:
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            for mode in (False, True):
                trainer.model.train(mode)
                logps, tokens = completion_logps(trainer, trainer.model, batch)
                found.append(logps / tokens)
    finally:
        trainer.model.train(was_training)
    if not found[0].isfinite().all():
        return  # not noise: the reference pass says it of such weights
    worst = float((found[0] - found[1]).abs().max())
    if not worst <= largest_allowed(next(trainer.model.parameters()).dtype):
        name = type(causal_model(trainer)).__name__
        raise NotSupportedError(
            f"{name} gives other log-probabilities while it trains ({worst:.2g} nats per token "
            "away from those it gives when measured), so its own code adds noise, such as dropout "
            "that cannot be switched off from outside. Set the dropout rates in its config.json to "
            "0, or train another model."
        )


def _few(trainer: Any, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch of the first rows. Before training the model may not be on the GPU yet."""
    weights = next(trainer.model.parameters())
    some = [{**row, "ref_chosen_logps": 0.0, "ref_rejected_logps": 0.0} for row in rows[:_TRIED]]
    return {name: value.to(weights.device) for name, value in trainer.data_collator(some).items()}


def _difference(
    trainer: Any, rows: Sequence[dict[str, Any]], group: Processes, *, backward: bool = False
) -> str:
    """Why shared rows will not do in some process; "" and sharing on if they will."""
    found = [reason for reason in group.gather([_tried(trainer, rows, backward)]) if reason]
    trainer.shares_prompts = not found
    return found[0] if found else ""


def _tried(trainer: Any, rows: Sequence[dict[str, Any]], backward: bool) -> str:
    weights = next(trainer.model.parameters())
    batch = _few(trainer, rows)
    was_training = trainer.model.training
    trainer.model.eval()
    try:
        with torch.no_grad():
            plain, tokens = completion_logps(trainer, trainer.model, batch)
        trainer.shares_prompts = True
        with torch.set_grad_enabled(backward):
            shared, _ = completion_logps(trainer, trainer.model, batch)
        if backward:
            torch.autograd.backward(shared.sum())
            trainer.model.zero_grad()
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        # A kernel or a model that cannot; plain batches can, and the reason is reported.
        return f"shared prompts failed ({str(error).splitlines()[0][:120]})"
    finally:
        trainer.shares_prompts = False
        trainer.model.train(was_training)
    worst = float(((plain - shared.detach()).abs() / tokens).max())
    if not worst <= largest_allowed(weights.dtype):  # NaN fails, too
        return f"shared prompts change log-probs by {worst:.2g} nats per token"
    return ""
