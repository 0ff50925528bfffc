"""Where a training starts when it goes on from an earlier one, and what it is held to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelNotFoundError
from ..llm.local.embedded import resolve_model
from ..llm.local.fingerprint import combine, hash_weights
from .config import Reference


@dataclass(frozen=True, slots=True)
class Origin:
    """An earlier training that this one goes on from.

    Attributes:
        weights: Its `adapter` folder, or its `model` folder where every weight was trained.
        reference: What DPO's log-ratios and the KL divergence are measured against.
    """

    weights: Path
    reference: Reference = "initial"

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the weights."""
        return hash_weights(self.weights)


def reference_of(base: str, origin: Origin | None) -> str:
    """Fingerprint of the reference: that of the base, or of the base with the origin's weights."""
    if origin is None or origin.reference == "initial":
        return base
    parts = {"base": base, "weights": origin.fingerprint}
    return combine(parts).replace("local:", "reference:", 1)


def load_weights(model: Any, folder: Path) -> None:
    """Puts saved weights into a model of the same shape: an adapter's, or all of them.

    Args:
        model: With a fresh adapter where `folder` holds one.
        folder: An `adapter` or `model` folder, or a checkpoint.

    Raises:
        ModelNotFoundError: They are missing, or of another rank or other layers.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    adapted = hasattr(model, "peft_config")
    try:
        if adapted:
            weights = load_file(str(folder / "adapter_model.safetensors"))
            found: Any = set_peft_model_state_dict(model, weights)
            strange = found.unexpected_keys
        else:
            weights = {}
            for file in sorted(folder.glob("*.safetensors")):
                weights |= load_file(str(file))
            strange = model.load_state_dict(weights, strict=False).unexpected_keys
            if not weights:
                raise FileNotFoundError(f"no *.safetensors in {folder}")
    except (OSError, RuntimeError, KeyError) as error:
        raise ModelNotFoundError(
            f"the weights in {folder} do not fit: {str(error).splitlines()[0]} All layers and "
            "rounds of a run share `method`, `rank` and `target_modules`."
        ) from error
    if strange:
        raise ModelNotFoundError(
            f"the weights in {folder} belong to other layers ({strange[0]}); all layers and "
            "rounds of a run share `method` and `target_modules`."
        )


@contextmanager
def as_reference(model: Any, origin: Origin | None, base: str) -> Iterator[None]:
    """The reference's weights in place of the model's, for as long as it takes."""
    if hasattr(model, "peft_config") and (origin is None or origin.reference == "initial"):
        with model.disable_adapter():
            yield
        return
    now = trained_weights(model)
    follows = origin is not None and origin.reference == "previous"
    load_weights(model, origin.weights if origin is not None and follows else resolve_model(base))
    try:
        yield
    finally:
        put_back(model, now)


def trained_weights(model: Any) -> dict[str, torch.Tensor]:
    """Copies of every weight that is trained, by name."""
    return {
        name: parameter.detach().cpu().clone()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def put_back(model: Any, weights: dict[str, torch.Tensor]) -> None:
    """Sets the trained weights to copies taken earlier."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in weights:
                parameter.copy_(weights[name])
