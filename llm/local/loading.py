"""Loading a local model: weights, adapter, dtype, tokenizer, and what they hash to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...errors import ModelNotFoundError, OutOfMemoryError
from .embedded import quiet_loading, resolve_model
from .fingerprint import hash_tokenizer, hash_weights

_DTYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """A loaded model, its tokenizer, and what goes into its fingerprint."""

    model: Any
    tokenizer: Any
    identity: dict[str, str]


def load_parts(name: str, adapter: Path | None, dtype: str) -> Parts:
    """Loads base, tokenizer and adapter (merged in fp32, then cast).

    Args:
        name: `smollm2-135m`, a folder, or a hub id.
        adapter: Folder of a LoRA adapter, or None.
        dtype: `auto` or a name of `_DTYPES`.

    Raises:
        ModelNotFoundError: Model or adapter is missing or cannot be read.
        OutOfMemoryError: The weights do not fit.
        ValueError: Unknown dtype.
    """
    folder = resolve_model(name)
    target = dtype_of(dtype)
    if adapter is not None and not (adapter / "adapter_model.safetensors").is_file():
        raise ModelNotFoundError(
            f"the adapter folder {str(adapter)!r} has no adapter_model.safetensors. "
            "Give the folder a training run wrote."
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        tokenizer, model = _read(folder, torch.float32 if adapter else target)
        if adapter is not None:
            model = _merged(model, adapter)
        model = model.to(device=device, dtype=target)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemoryError(
            f"model {name!r} does not fit into memory. Use a smaller model, or dtype bfloat16."
        ) from error
    parts = {
        "weights": hash_weights(folder),
        "adapter": hash_weights(adapter) if adapter else "",
        "tokenizer": hash_tokenizer(tokenizer),
        "dtype": str(target),
    }
    return Parts(model, tokenizer, parts)


def dtype_of(name: str) -> torch.dtype:
    """The type of this name; `auto` is `best_dtype`.

    Raises:
        ValueError: Unknown name.
    """
    if name != "auto" and name not in _DTYPES:
        raise ValueError(f"dtype {name!r} is not one of auto, {', '.join(_DTYPES)}")
    return best_dtype() if name == "auto" else _DTYPES[name]


def best_dtype() -> torch.dtype:
    """bf16 where the hardware multiplies it natively, else fp32."""
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        if getattr(torch.cpu, probe, bool)():
            return torch.bfloat16
    return torch.float32


def read_rendering(folder: Path) -> tuple[Any, Any, Any]:
    """Tokenizer, config and generation config of a model, without its weights.

    Raises:
        ModelNotFoundError: One of them cannot be read.
    """
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    try:
        with quiet_loading():
            tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
            config: Any = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
            own = (folder / "generation_config.json").is_file()
            read: Any = GenerationConfig
            generation = read.from_pretrained(str(folder)) if own else None
            return tokenizer, config, generation or read.from_model_config(config)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: Exception) -> ModelNotFoundError:
    return ModelNotFoundError(f"the model in {str(folder)!r} cannot be read: {error}")


def _read(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        with quiet_loading():
            tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
            model: Any = AutoModelForCausalLM.from_pretrained(
                str(folder), dtype=dtype, trust_remote_code=False, use_safetensors=True
            )
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(folder, error) from error
    return tokenizer, model


def _merged(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    try:
        with warnings.catch_warnings():  # peft uses a name transformers renamed
            warnings.simplefilter("ignore", FutureWarning)
            tuned = PeftModel.from_pretrained(model, str(adapter))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelNotFoundError(
            f"the adapter in {str(adapter)!r} does not fit this model: {error}"
        ) from error
    return tuned.merge_and_unload()
