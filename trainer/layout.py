"""Which layout of a batch a model can be trained in, tried out before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..errors import NotSupportedError
from .attention import use_attention, use_flex, why_not_flex
from .logps import causal_model, completion_logps
from .processes import Processes
from .shared_prefix import largest_allowed, why_not_shared

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

    Args:
        trainer: The trainer, its adapter still fresh and without dropout.
        rows: Tokenized pairs.

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
