"""LangChain's chat models for a spec, and the parameters each provider understands."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from ...errors import ConfigurationError, ModelNotFoundError
from ..request import Request
from .prompt import token_limit
from .settings import ChatSettings
from .spec import ChatSpec, strip_secrets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from collections.abc import Set as AbstractSet

    from langchain_core.language_models import BaseChatModel

KEY_VARIABLE: Final = "ANLAGE_API_KEY"
"""Where the key of a server of your own is read from."""

_EXTRAS: Final = frozenset({"openai", "anthropic", "ollama"})
_PACKAGES: Final = {
    "azure_openai": "langchain-openai",
    "bedrock_converse": "langchain-aws",
    "google_genai": "langchain-google-genai",
    "google_vertexai": "langchain-google-vertexai",
    "nvidia": "langchain-nvidia-ai-endpoints",
}
_KEYS: Final = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
_OPENAI_LIKE: Final = frozenset({"openai", "azure_openai", "deepseek", "xai"})
_RETRIES_ITSELF: Final = _OPENAI_LIKE | {"anthropic", "groq", "mistralai"}
_MAX_STOPS: Final = 4  # OpenAI refuses more; the rest is cut here

PARAMETER_NAMES: Final = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "max_tokens": ("max_completion_tokens", "max_tokens"),
    "seed": ("seed",),
    "stop": ("stop",),
    "response_format": ("response_format", "json_schema", "structured output"),
}
"""Our name of a parameter -> what servers call it when they do not know it."""


def check_available(spec: ChatSpec) -> None:
    """Says what is missing before anything is called.

    Raises:
        ModelNotFoundError: The provider's package is not installed.
        ConfigurationError: The provider's key is not set.
    """
    package = _PACKAGES.get(spec.provider, f"langchain-{spec.provider.replace('_', '-')}")
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        wanted = f"'anlage[{spec.provider}]'" if spec.provider in _EXTRAS else package
        raise ModelNotFoundError(
            f"{spec.provider} models need a package that is not installed: pip install {wanted}"
        )
    variable = _KEYS.get(spec.provider)
    if variable and not spec.own_server and not os.environ.get(variable):
        message = f"{spec.provider}:{spec.name} needs the environment variable {variable}"
        fix = f"set it, or name a server of your own: {spec.provider}:NAME@http://host:port/v1"
        raise ConfigurationError.one("M002", "model", message, fix)


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
    The key of a provider is never sent to a server named in the spec.

    Raises:
        ModelNotFoundError: The provider's package cannot be imported.
    """
    from langchain.chat_models import init_chat_model

    options: dict[str, Any] = {"cache": False}
    close: Callable[[], Awaitable[None]] | None = None
    if spec.provider in _RETRIES_ITSELF:
        options |= {"max_retries": 0, "timeout": settings.call_timeout}
    if spec.base_url:
        options["base_url"] = spec.base_url
    if spec.own_server and spec.provider in _KEYS:
        options["api_key"] = os.environ.get(KEY_VARIABLE) or "none"
    if spec.provider == "openai":
        import httpx2
        import openai

        # LangChain shares one pool per process; a pool lives in one event loop only.
        if over_aiohttp(spec):
            limits = httpx2.Limits(max_connections=None)
            pool = openai.DefaultAioHttpClient(timeout=settings.call_timeout, limits=limits)
        else:
            pool = openai.DefaultAsyncHttpxClient(timeout=settings.call_timeout)
        options["http_async_client"], close = pool, pool.aclose
        options["use_responses_api"] = False  # the chat protocol; all servers speak it
    if spec.provider == "huggingface":
        options["backend"] = "endpoint"  # LangChain's default would load it here
    try:
        found: BaseChatModel = init_chat_model(spec.name, model_provider=spec.provider, **options)
    except ImportError as error:
        raise ModelNotFoundError(f"{spec.provider} models cannot be loaded: {error}") from error
    return found, close


def parameters(
    provider: str, request: Request, dropped: AbstractSet[str], *, own_server: bool = False
) -> dict[str, Any]:
    """The call's sampling settings in the provider's own words.

    Args:
        provider: LangChain's name.
        request: What is asked.
        dropped: Names (of `PARAMETER_NAMES`) the server has refused.
        own_server: A compatible server: it gets `max_tokens` under its old name, too.
    """
    wanted: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": token_limit(request),
        "seed": _seed(request),
        "stop": [stop for stop in request.stop if stop.strip() or stop == "\n"][:_MAX_STOPS],
        "response_format": json.loads(request.schema) if request.schema else None,
    }
    # The model has to repeat the prefill first: a stop string in it would end the answer.
    if not wanted["stop"] or request.prefill.strip():
        del wanted["stop"]
    if request.top_p >= 1.0 or (provider == "anthropic" and request.temperature != 1.0):
        del wanted["top_p"]
    if wanted["response_format"] is None:
        del wanted["response_format"]
    kept = {name: value for name, value in wanted.items() if name not in dropped}
    if provider == "ollama":
        return _ollama(kept)
    if provider not in _OPENAI_LIKE:
        allowed = ("temperature", "top_p", "max_tokens", "stop")
        return {name: kept[name] for name in allowed if name in kept}
    return _openai(kept, own_server=own_server)


def _openai(kept: dict[str, Any], *, own_server: bool) -> dict[str, Any]:
    # Through `extra_body`: LangChain's own way raises on cut JSON and loses the text.
    body: dict[str, Any] = {}
    if "response_format" in kept:
        shape = {"name": "answer", "schema": kept.pop("response_format")}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    if own_server and "max_tokens" in kept:
        body["max_tokens"] = kept["max_tokens"]
    return kept | ({"extra_body": body} if body else {})


def _ollama(kept: dict[str, Any]) -> dict[str, Any]:
    names = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "num_predict"}
    names["seed"] = "seed"
    found: dict[str, Any] = {
        "options": {theirs: kept[ours] for ours, theirs in names.items() if ours in kept}
    }
    if "response_format" in kept:
        found["format"] = kept["response_format"]
    return found | ({"stop": kept["stop"]} if "stop" in kept else {})


def _seed(request: Request) -> int:
    """Differs from sample to sample; fits into 31 bits, as some servers want."""
    digest = hashlib.sha256(f"{request.seed}:{request.sample}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def describe(model: BaseChatModel) -> ChatSpec:
    """Provider, name and address of a chat model made in Python."""
    known: Any = model._get_ls_params()  # LangChain's own description, key-free
    name = known.get("ls_model_name") or getattr(model, "model_name", None)
    provider = known.get("ls_provider") or model._llm_type
    for attribute in ("openai_api_base", "base_url", "anthropic_api_url", "endpoint_url"):
        url = getattr(model, attribute, None)
        if isinstance(url, str) and url:
            return ChatSpec(str(provider), str(name or type(model).__name__), strip_secrets(url))
    return ChatSpec(str(provider), str(name or type(model).__name__))
