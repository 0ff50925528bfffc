"""From a name in a config to a model."""

from __future__ import annotations

from pathlib import Path

from ..errors import NotSupportedError
from .request import Model
from .scripted import ScriptedModel

SCRIPTED = "scripted"


def load_model(spec: str, *, adapter: Path | None = None, batch_size: int = 32) -> Model:
    """Loads the model a config names. torch is imported only where it is needed.

    Args:
        spec: `scripted`, `smollm2-135m` (embedded), a folder, or a hub id.
        adapter: Folder of a LoRA adapter to merge in, or None.
        batch_size: Most requests run together.

    Raises:
        ModelNotFoundError: No such model or adapter.
        NotSupportedError: An adapter for the scripted model.
        OutOfMemoryError: It does not fit.
    """
    if spec == SCRIPTED:
        if adapter is not None:
            raise NotSupportedError(
                f"the scripted model has no weights, so no adapter ({str(adapter)!r}) fits it; "
                "name the model the adapter was trained on."
            )
        return ScriptedModel(batch_size=batch_size)
    from .local import LocalModel

    return LocalModel.load(spec, adapter=adapter, batch_size=batch_size)
