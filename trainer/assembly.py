"""From a name and a config to a model (for `qlora` in 4 bits), its tokenizer and a trainer."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelNotFoundError, NotSupportedError
from ..llm.local.embedded import resolve_model
from ..llm.local.loading import dtype_of
from .checks.model_fit import ensure_padding, fused_layers, silence_dropout
from .config import TrainConfig
from .processes import on_cpu
from .schedule import warmup_steps
from .soft_dpo import SoftDPOTrainer, SoftPairCollator, loss_arguments


@dataclass(frozen=True, slots=True)
class Start:
    """What training starts from."""

    model: Any
    tokenizer: Any
    base: str


def compute_dtype(config: TrainConfig) -> torch.dtype:
    """The type matrices are multiplied in."""
    return dtype_of(config.dtype)


def load_start(model: str | Any, config: TrainConfig) -> Start:
    """Loads model and tokenizer; a frozen base in the compute type, a trained one in float32.

    A model in memory is used as it is, and its tokenizer is read from where the
    model came from.

    Raises:
        ModelNotFoundError: No such model, or no tokenizer or chat template with it.
        NotSupportedError: The model in memory already carries an adapter, or method
            `qlora` cannot run here.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = quantised(config, compute_dtype(config), in_memory=not isinstance(model, str))
    if not isinstance(model, str):
        if hasattr(model, "peft_config"):
            raise NotSupportedError(
                "the model already carries an adapter; merge it first (merge_and_unload), so "
                "that the reference is the model as it stands."
            )
        source: str | Path = str(model.name_or_path)
    else:
        source = resolve_model(model)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(source), trust_remote_code=False)
        loaded: Any = model
        if isinstance(model, str):
            dtype = compute_dtype(config) if config.adapts else torch.float32
            loaded = AutoModelForCausalLM.from_pretrained(
                str(source), dtype=dtype, trust_remote_code=False, use_safetensors=True, **options
            )
    except (OSError, ValueError, KeyError) as error:
        raise ModelNotFoundError(f"the model in {str(source)!r} cannot be read: {error}") from error
    if not tokenizer.chat_template:
        raise ModelNotFoundError(
            f"the tokenizer in {str(source)!r} has no chat template; use an instruction-tuned "
            "model, or save a chat_template.jinja beside it."
        )
    if tokenizer.eos_token_id is None:
        raise ModelNotFoundError(f"the tokenizer in {str(source)!r} has no end token.")
    return Start(loaded, tokenizer, base=model if isinstance(model, str) else str(source))


def make_trainer(
    start: Start, rows: Sequence[dict[str, Any]], config: TrainConfig, folder: Path
) -> SoftDPOTrainer:
    """The trainer, with a fresh adapter where the method is `lora`."""
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback

    ensure_padding(start.tokenizer, start.model)
    silence_dropout(start.model)
    with _no_second_model():
        trainer = SoftDPOTrainer(
            model=start.model,
            args=_arguments(config, folder),
            data_collator=SoftPairCollator(start.tokenizer.pad_token_id),
            train_dataset=Dataset.from_list(list(rows)),
            processing_class=start.tokenizer,
            peft_config=adapter_config(config, start.model) if config.adapts else None,
        )
    trainer.soft_loss = config.soft_loss
    trainer.remove_callback(PrinterCallback)
    keep_adapter_narrow(trainer.model, config)
    return trainer


def keep_adapter_narrow(model: Any, config: TrainConfig) -> None:
    """Keeps PEFT from widening every activation to float32 and back.

    Adapter weights stay float32; autocast rounds them for each product.
    """
    for module in model.modules():
        if compute_dtype(config) == torch.bfloat16 and hasattr(module, "cast_input_dtype_enabled"):
            module.cast_input_dtype_enabled = False


@contextmanager
def _no_second_model() -> Iterator[None]:
    """Keeps TRL from loading a reference by the model's name.

    It does so for full fine-tuning under FSDP, even though reference log-probs are given:
    a model in memory need not be what its name says, and a checkpoint is not the reference.
    """
    from trl.trainer import dpo_trainer

    module: Any = dpo_trainer
    before = module.create_model_from_path
    module.create_model_from_path = lambda *_, **__: None
    try:
        yield
    finally:
        module.create_model_from_path = before


def adapter_config(config: TrainConfig, model: Any) -> Any:
    """PEFT's config of the adapter that is trained.

    Args:
        config: The training's config.
        model: The base. Layers of it that cannot carry an adapter are left out.

    Raises:
        NotSupportedError: The config names such a layer.
    """
    from peft import LoraConfig

    targets = config.target_modules
    never = fused_layers(model)
    named = sorted(set(targets) & set(never))
    if named:
        raise NotSupportedError(
            f"target_modules names {', '.join(named)}, whose weights a {model.config.model_type} "
            "model multiplies in a kernel of its own, past any adapter; leave them out, or use "
            "all-linear, which does."
        )
    return LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear" if targets == ("all-linear",) else list(targets),
        exclude_modules=list(never) or None,
        task_type="CAUSAL_LM",
    )


def _arguments(config: TrainConfig, folder: Path) -> Any:
    from trl.trainer.dpo_config import DPOConfig

    own: dict[str, Any] = {
        "beta": config.beta,
        "max_length": None,  # rows are measured beforehand and never cut
        "precompute_ref_log_probs": True,
        "disable_dropout": False,  # the base's is off already, the adapter's is asked for
    }
    shared = trainer_arguments(config, folder)
    return DPOConfig(**shared, **own, **loss_arguments(config.sft_weight, config.loss))


def trainer_arguments(config: TrainConfig, folder: Path) -> dict[str, Any]:
    """Arguments of transformers' trainer that do not depend on the loss."""
    return {
        "output_dir": str(folder),
        "learning_rate": config.learning_rate,
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "per_device_train_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation,
        # A whole number is steps, a fraction is a share of them.
        "warmup_steps": config.warmup_ratio
        if config.warmup_steps is None and config.scheduler != "constant"
        else warmup_steps(0, config),
        "lr_scheduler_type": config.scheduler,
        "max_grad_norm": config.max_grad_norm,
        "seed": config.seed,
        "data_seed": config.seed,
        "save_strategy": "steps",
        "save_steps": config.save_steps,
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "bf16": compute_dtype(config) == torch.bfloat16,
        "fp16": False,
        "use_cpu": on_cpu(),
        "ddp_find_unused_parameters": False,
        "gradient_checkpointing": config.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "remove_unused_columns": False,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "report_to": "none",
        "push_to_hub": False,
    }


def quantised(
    config: TrainConfig, dtype: torch.dtype, *, in_memory: bool = False
) -> dict[str, Any]:
    """What `from_pretrained` is told beside the model's name; nothing unless `qlora`.

    Dettmers et al. 2023 ("QLoRA: efficient finetuning of quantized LLMs"): 4-bit NormalFloat,
    the scales quantised once more, products in the compute type. Each process holds the
    whole base on its own GPU.

    Raises:
        NotSupportedError: There is no CUDA or no bitsandbytes here, or the model is in memory.
    """
    if config.method != "qlora":
        return {}
    missing = why_not_quantised(in_memory=in_memory)
    if missing:
        raise NotSupportedError(f"method qlora cannot run: {missing}.")
    return {
        "quantization_config": quantisation(dtype),
        "device_map": {"": int(os.environ.get("LOCAL_RANK", "0"))},
    }


def why_not_quantised(*, in_memory: bool = False) -> str:
    """What speaks against 4 bits here, and what to do; "" if nothing."""
    if in_memory:
        return "it quantises a base while it loads it, so give the model by name or use lora"
    if not torch.cuda.is_available():
        return "it needs a CUDA GPU and this machine has none; use lora"
    if importlib.util.find_spec("bitsandbytes") is None:
        return "bitsandbytes is missing; pip install 'anlage[qlora]'"
    return ""


def quantisation(dtype: torch.dtype) -> Any:
    """The 4-bit config that transformers passes to bitsandbytes."""
    from transformers import BitsAndBytesConfig

    make: Any = BitsAndBytesConfig  # untyped
    return make(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=dtype,  # lets FSDP split the 4-bit weights
    )
