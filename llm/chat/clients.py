"""LangChain's chat models for a spec, and what tells one made in Python from another."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from ...errors import ConfigurationError, ModelNotFoundError
from ...files.redaction import names_secret
from .parameters import OPENAI_LIKE
from .providers import (
    TABLE,
    address_options,
    key_for,
    key_options,
    own_host,
    without_secrets,
)
from .settings import ChatSettings
from .spec import ChatSpec, strip_secrets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_core.language_models import BaseChatModel
    from langchain_openai import ChatOpenAI

_EXTRAS: Final = frozenset({"openai", "anthropic", "ollama"})
_RETRIES_ITSELF: Final = OPENAI_LIKE | {"anthropic", "groq", "mistralai"}


def check_available(spec: ChatSpec, settings: ChatSettings) -> None:
    """Says what is missing before anything is called.

    Raises:
        ModelNotFoundError: The provider's package is not installed.
        ConfigurationError: The provider's key, or one that `chat.keys` names, is not set, or
            the provider cannot be called like this.
    """
    package = TABLE[spec.provider].package or f"langchain-{spec.provider.replace('_', '-')}"
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        wanted = f"'anlage[{spec.provider}]'" if spec.provider in _EXTRAS else package
        raise ModelNotFoundError(
            f"{spec.provider} models need a package that is not installed: pip install {wanted}"
        )
    key = key_for(spec.provider, spec.base_url, settings.keys)
    variables = TABLE[spec.provider].keys
    if key is None and variables and not any(os.environ.get(name) for name in variables):
        message = f"{spec.provider}:{spec.name} needs the environment variable {variables[0]}"
        fix = f"set it, or name a server of your own: {spec.provider}:NAME@http://host:port/v1"
        raise ConfigurationError.one("M002", "model", message, fix)
    if key is not None:
        key_options(spec.provider, key)


def over_aiohttp(spec: ChatSpec) -> bool:
    """True if the calls go over aiohttp, which costs a third less CPU a call than httpx.

    OpenAI's package only; behind a proxy httpx is kept, which knows all its variables.
    """
    installed = importlib.util.find_spec("aiohttp") is not None
    return spec.provider == "openai" and installed and not urllib.request.getproxies()


def make_client(
    spec: ChatSpec, settings: ChatSettings
) -> tuple[BaseChatModel, Callable[[], Awaitable[None]] | None]:
    """One LangChain chat model with connections of its own, made inside the running loop.

    Returns:
        The model, and what closes its connections where they are ours to close.

    Retries and caches of LangChain and of the provider's package are off: both are ours.
    The key of a provider is sent to its own hosts only: for any other host the client gets
    a key from us, and is made where it sees no other.

    Raises:
        ModelNotFoundError: The provider's package cannot be imported.
        ConfigurationError: A variable that `chat.keys` names is not set.
    """
    options, close = _options(spec, settings)
    key = key_for(spec.provider, spec.base_url, settings.keys)
    try:
        if key is None:
            return _made(spec, options), close
        options |= key_options(spec.provider, key)
        with without_secrets():
            return _made(spec, options), close
    except ImportError as error:
        raise ModelNotFoundError(f"{spec.provider} models cannot be loaded: {error}") from error
    except ValueError as error:
        # A validation error repeats its input, keys included: its sentences alone.
        told = getattr(error, "errors", None)
        said = "; ".join(str(d["msg"]) for d in told()) if callable(told) else str(error)
        message = f"the client of {spec.provider}:{spec.name} cannot be made: {said}"
        fix = "check the provider's settings in the environment"
        raise ConfigurationError.one("M002", "model", message, fix) from None


def _made(spec: ChatSpec, options: dict[str, Any]) -> BaseChatModel:
    if spec.provider == "openai":
        return _openai_class()(model=spec.name, **options)
    from langchain.chat_models import init_chat_model

    found: BaseChatModel = init_chat_model(spec.name, model_provider=spec.provider, **options)
    # Made at the first call otherwise, when the environment is whole again.
    getattr(found, "_async_client", None)
    return found


def _options(
    spec: ChatSpec, settings: ChatSettings
) -> tuple[dict[str, Any], Callable[[], Awaitable[None]] | None]:
    options: dict[str, Any] = {"cache": False, **address_options(spec.provider, spec.base_url)}
    if spec.provider in _RETRIES_ITSELF:
        options |= {"max_retries": 0, "timeout": settings.call_timeout}
    if spec.provider == "huggingface":
        options["backend"] = "endpoint"  # LangChain's default would load it here
    if spec.provider != "openai":
        return options, None
    import httpx2
    import openai

    # LangChain shares one pool per process; a pool lives in one event loop only.
    pool: Any
    if over_aiohttp(spec):
        limits = httpx2.Limits(max_connections=None)
        pool = openai.DefaultAioHttpClient(timeout=settings.call_timeout, limits=limits)
    else:
        pool = openai.DefaultAsyncHttpxClient(timeout=settings.call_timeout)
    options["http_async_client"] = pool
    options["use_responses_api"] = False  # the chat protocol; all servers speak it
    return options, pool.aclose


@functools.cache
def _openai_class() -> type[ChatOpenAI]:
    """LangChain's class, which leaves out what servers other than OpenAI's tell of thoughts."""
    from langchain_openai import ChatOpenAI

    class WithReasoning(ChatOpenAI):
        """Keeps `reasoning_content` (vLLM, SGLang, llama.cpp) and `reasoning` (OpenRouter)."""

        def _create_chat_result(self, response: Any, generation_info: Any = None) -> Any:
            result = super()._create_chat_result(response, generation_info)
            told = response if isinstance(response, dict) else response.model_dump(warnings=False)
            for choice, found in zip(told["choices"], result.generations, strict=True):
                for name in ("reasoning_content", "reasoning"):
                    if isinstance(thought := choice["message"].get(name), str) and thought:
                        found.message.additional_kwargs["reasoning_content"] = thought
            return result

    return WithReasoning


_OF_NO_EFFECT: Final = frozenset(
    {"name", "cache", "verbose", "callbacks", "callback_manager", "tags", "metadata"}
    | {"custom_get_token_ids", "rate_limiter", "disable_streaming", "streaming", "stream_usage"}
    | {"max_retries", "request_timeout", "timeout", "include_response_headers", "profile"}
    | {"output_version", "organization", "openai_organization", "client", "async_client"}
    | {"root_client", "root_async_client", "http_client", "http_async_client", "default_query"}
    | {"http_socket_options", "stream_chunk_timeout", "tiktoken_model_name", "openai_proxy"}
    | {"use_responses_api", "lc_attributes"}
)
"""Fields of LangChain's classes that decide how a call is made, not what is answered."""
_IN_THE_NAME: Final = frozenset({"model", "model_name", "model_id", "base_url", "openai_api_base"})
_ADDRESSES: Final = (
    "azure_endpoint",
    "openai_api_base",
    "base_url",
    "anthropic_api_url",
    "endpoint_url",
)
_SENT_WITH_EACH_CALL: Final = frozenset({"temperature", "stop", "stop_sequences"})
_LIMIT_FIELDS: Final = ("max_tokens", "max_completion_tokens", "num_predict", "max_output_tokens")


def own_limit(model: BaseChatModel) -> bool:
    """True if a chat model made in Python was given a token limit: it is respected."""
    given = model.model_fields_set
    return any(name in given and getattr(model, name, None) for name in _LIMIT_FIELDS)


def _settings_of(model: BaseChatModel, provider: str) -> str:
    """Hash of what was set and decides the answers; "" where all is at its default."""
    found: dict[str, Any] = {}
    sent = _SENT_WITH_EACH_CALL | ({"seed"} if provider in (*OPENAI_LIKE, "azure") else set())
    for name, about in type(model).model_fields.items():
        value = getattr(model, name, None)
        plain = isinstance(value, str | int | float | bool | list | tuple | dict)
        if name in _OF_NO_EFFECT | _IN_THE_NAME | sent or not plain or names_secret(name):
            continue
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            if any(own_host(known, value) for known in TABLE if known != "azure_openai"):
                continue
            value = strip_secrets(value)
        elif value == about.get_default(call_default_factory=True) or value in ({}, [], ""):
            continue
        if (kept := _without_secret_names(value)) != {}:
            found[name] = kept
    if not found:
        return ""
    payload = json.dumps(found, sort_keys=True, default=lambda value: type(value).__name__)
    return hashlib.sha256(payload.encode(errors="surrogatepass")).hexdigest()[:12]


def _without_secret_names(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        str(name): _without_secret_names(inner)
        for name, inner in value.items()
        if not names_secret(str(name).replace("-", "_")) and str(name).lower() != "authorization"
    }


def describe(model: BaseChatModel) -> ChatSpec:
    """Provider, name, address and settings of a chat model made in Python."""
    known: Any = model._get_ls_params()  # LangChain's own description, key-free
    name = known.get("ls_model_name") or getattr(model, "model_name", None)
    provider = str(known.get("ls_provider") or model._llm_type)
    name, settings = str(name or type(model).__name__), _settings_of(model, provider)
    for attribute in _ADDRESSES:
        url = getattr(model, attribute, None)
        if isinstance(url, str) and url:
            return ChatSpec(provider, name, strip_secrets(url), settings=settings)
    return ChatSpec(provider, name, settings=settings)
