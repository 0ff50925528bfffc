"""Trained weights written to disk, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ..errors import StoreError
from .attention import use_attention
from .logps import causal_model


def save_weights(trainer: Any, tokenizer: Any, target: Path) -> None:
    """Saves adapter or model as safetensors, then takes a fresh adapter off again.

    Called by every process; where the weights are split over them, they are put
    together first, and the main process writes.

    Args:
        trainer: The trainer, done.
        tokenizer: Saved beside a whole model.
        target: The folder. What a killed call left there is replaced.

    Raises:
        StoreError: It cannot be written.
    """
    whole = None
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        whole = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    adapted = hasattr(trainer.model, "peft_config")
    if trainer.accelerator.is_main_process:
        try:
            _write(trainer.model, tokenizer if not adapted else None, whole, target)
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error}. Free some disk space.") from error
    _as_before(trainer)
    trainer.accelerator.wait_for_everyone()


def _write(model: Any, tokenizer: Any | None, whole: dict[str, Any] | None, target: Path) -> None:
    temporary = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)  # of a call killed before result.json
    options: dict[str, Any] = {} if whole is None else {"state_dict": whole}
    if tokenizer is None:
        options["save_embedding_layers"] = False
    model.save_pretrained(str(temporary), **options)
    if tokenizer is not None:
        tokenizer.save_pretrained(str(temporary))
    temporary.rename(target)


def _as_before(trainer: Any) -> None:
    """Gives a model that came from memory back without adapter, checkpointing and FlexAttention."""
    model = trainer.model
    own = getattr(trainer, "attention_before", "")  # a trainer of lessons has none
    if own:
        use_attention(causal_model(trainer), own)
    if trainer.args.gradient_checkpointing:
        model.gradient_checkpointing_disable()
        if hasattr(model, "disable_input_require_grads"):
            model.disable_input_require_grads()
    if hasattr(model, "peft_config"):
        model.unload()
