"""From a name in a config to a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union, cast

from ..errors import NotSupportedError
from .chat.settings import ChatSettings
from .chat.spec import parse_chat_spec
from .request import Model, Request, Wrapper
from .scripted import ScriptedModel
from .served.spec import parse_served

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

SCRIPTED = "scripted"
AnyModel: TypeAlias = Union[Model, str, "BaseChatModel"]
"""A model, its name, or a LangChain chat model made in Python."""


def load_model(
    spec: str,
    *,
    adapter: Path | None = None,
    batch_size: int = 32,
    chat: ChatSettings | None = None,
) -> Model:
    """Loads the model a config names. torch is imported only where it is needed.

    Args:
        spec: `scripted`, `smollm2-135m` (embedded), a folder, a hub id, one of these on a
            server (`served:NAME@http://host:port/v1[,URL...]`), or a chat model:
            `openai:gpt-4o-mini`, `openai:NAME@http://host:port/v1`, `ollama:...`.
        adapter: Folder of a LoRA adapter to merge in, or to load on the servers; or None.
        batch_size: Most requests a local model runs together.
        chat: Limits of the calls to a chat model or a server, and whether a local or served one
            thinks; None for the defaults.

    Raises:
        ModelNotFoundError: No such model or adapter, or its package is not installed.
        ConfigurationError: No such provider, or its key is not set.
        NotSupportedError: An adapter for a model without weights here.
        OutOfMemoryError: It does not fit.
    """
    if spec == SCRIPTED:
        if adapter is not None:
            raise NotSupportedError(
                f"the scripted model has no weights, so no adapter ({str(adapter)!r}) fits it; "
                "name the model the adapter was trained on."
            )
        return ScriptedModel(batch_size=batch_size)
    served = parse_served(spec)
    if served is not None:
        from .served.model import ServedModel

        return ServedModel(served, adapter=adapter, settings=chat)
    chosen = parse_chat_spec(spec)
    if chosen is not None:
        if adapter is not None:
            raise NotSupportedError(
                f"{spec} is a chat model, so no adapter ({str(adapter)!r}) fits it; name the "
                "model the adapter was trained on."
            )
        from .chat.model import ChatModel

        return ChatModel(chosen, settings=chat)
    from .local.model import LocalModel

    chat = chat or ChatSettings()
    return LocalModel.load(
        spec,
        adapter=adapter,
        batch_size=batch_size,
        thinking=chat.thinking,
        reasoning_tokens=chat.reasoning_tokens,
    )


def token_limits(spec: str, chat: ChatSettings) -> Callable[[Request], tuple[int, int]]:
    """What a request to a model of this name may cost at most; the model is not loaded.

    Args:
        spec: As in `load_model`.
        chat: Room for thoughts and for verdicts.

    Returns:
        Gives the most new tokens of a request, and how many of them are room for thoughts.
    """
    from .chat.parameters import expects_thoughts, token_limit
    from .local.rendering import thinks_first

    chosen = parse_chat_spec(spec)

    def limits(request: Request) -> tuple[int, int]:
        if chosen is not None:
            thinks = expects_thoughts(chosen.name, chat)
            room = chat.reasoning_tokens if thinks else 0
            return token_limit(request, chat, room=thinks), room
        thinks = thinks_first(request.messages, chat.thinking, request.prefill)
        room = chat.reasoning_tokens if thinks and spec != SCRIPTED else 0
        return request.max_tokens + room, room

    return limits


def as_model(model: AnyModel, *, chat: ChatSettings | None = None) -> Model:
    """The model itself, the one of that name, or a LangChain chat model behind our seam.

    Raises:
        ModelNotFoundError: No model of that name.
        ConfigurationError: No such provider, or its key is not set.
    """
    if isinstance(model, str):
        return load_model(model, chat=chat)
    if callable(getattr(model, "complete", None)) and hasattr(model, "fingerprint"):
        known = cast("Model", model)
        return known if hasattr(known, "drain") else Wrapper(known)
    from .chat.model import ChatModel

    return ChatModel(cast("BaseChatModel", model), settings=chat)
