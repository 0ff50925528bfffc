"""Method `qlora`: a frozen base held in 4 bits."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import torch

from ..errors import NotSupportedError
from .config import TrainConfig


def quantised(
    config: TrainConfig, dtype: torch.dtype, *, in_memory: bool = False
) -> dict[str, Any]:
    """What `from_pretrained` is told beside the model's name; nothing unless `qlora`.

    Dettmers et al. 2023 ("QLoRA: efficient finetuning of quantized LLMs"): 4-bit NormalFloat,
    the scales quantised once more, products in the compute type. Each process holds the
    whole base on its own GPU.

    Args:
        config: The training's config.
        dtype: What products are computed in.
        in_memory: The model is loaded already, as it is.

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
