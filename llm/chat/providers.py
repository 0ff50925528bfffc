"""The providers of chat models: their own hosts, and which key may go where.

A key of the environment goes to its provider's own hosts, over https. Any other host gets
the key in the variable that the user named for it (`chat.keys`, or `ANLAGE_API_KEY`), or
none. That holds for every provider, whoever gave the address: the spec or a variable such
as `OPENAI_BASE_URL`. A provider that has no row here has no own host, so it gets no key.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urlsplit

from ...errors import ConfigurationError, Problem
from ...files.redaction import names_secret

KEY_VARIABLE: Final = "ANLAGE_API_KEY"
"""Where the key of a server of your own is read from, unless `chat.keys` names another."""
NO_KEY: Final = "none"
"""What a client that insists on a key is given where there is none."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What has to be known of a provider before anything is sent.

    Attributes:
        hosts: Its own hosts; `*` stands for one or more letters.
        keys: Variables its package reads a key from; one of them has to be set. Empty where
            there are other ways to log in, or none is needed.
        addresses: Variables that give another address than its own.
        package: Its package, where the name does not follow from the provider's.
        key_argument: What its LangChain class calls the key.
        address_argument: What its LangChain class calls the address.
    """

    hosts: tuple[str, ...]
    keys: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    package: str = ""
    key_argument: str = "api_key"
    address_argument: str = "base_url"


TABLE: Final[Mapping[str, Provider]] = {
    "anthropic": Provider(
        ("api.anthropic.com",),
        ("ANTHROPIC_API_KEY",),
        ("ANTHROPIC_API_URL", "ANTHROPIC_BASE_URL"),
    ),
    "azure_openai": Provider(
        (
            "*.openai.azure.com",
            "*.cognitiveservices.azure.com",
            "*.services.ai.azure.com",
            "*.openai.azure.us",
            "*.openai.azure.cn",
        ),
        addresses=("AZURE_OPENAI_ENDPOINT", "OPENAI_API_BASE"),
        package="langchain-openai",
        address_argument="azure_endpoint",
    ),
    "bedrock_converse": Provider(
        ("bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com"),
        addresses=("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL"),
        package="langchain-aws",
        address_argument="endpoint_url",
    ),
    "cohere": Provider(
        ("api.cohere.com", "api.cohere.ai"),
        ("COHERE_API_KEY", "CO_API_KEY"),
        ("CO_API_URL",),
        key_argument="cohere_api_key",
    ),
    "deepseek": Provider(("api.deepseek.com",), ("DEEPSEEK_API_KEY",), ("DEEPSEEK_API_BASE",)),
    "fireworks": Provider(
        ("api.fireworks.ai",),
        ("FIREWORKS_API_KEY",),
        ("FIREWORKS_API_BASE", "FIREWORKS_BASE_URL"),
    ),
    "google_genai": Provider(
        ("generativelanguage.googleapis.com",),
        addresses=("GOOGLE_GEMINI_BASE_URL",),
        package="langchain-google-genai",
        key_argument="google_api_key",
    ),
    "google_vertexai": Provider(
        ("aiplatform.googleapis.com", "*-aiplatform.googleapis.com"),
        addresses=("GOOGLE_VERTEX_BASE_URL",),
        package="langchain-google-vertexai",
    ),
    "groq": Provider(("api.groq.com",), ("GROQ_API_KEY",), ("GROQ_API_BASE", "GROQ_BASE_URL")),
    "huggingface": Provider(
        ("router.huggingface.co", "api-inference.huggingface.co"),
        addresses=("HF_INFERENCE_ENDPOINT",),
    ),
    "mistralai": Provider(
        ("api.mistral.ai", "codestral.mistral.ai"), ("MISTRAL_API_KEY",), ("MISTRAL_BASE_URL",)
    ),
    "nvidia": Provider(
        ("integrate.api.nvidia.com", "ai.api.nvidia.com"),
        ("NVIDIA_API_KEY",),
        ("NVIDIA_BASE_URL",),
        package="langchain-nvidia-ai-endpoints",
    ),
    "ollama": Provider(("ollama.com",), addresses=("OLLAMA_HOST",), key_argument=""),
    "openai": Provider(
        ("api.openai.com", "*.api.openai.com"),
        ("OPENAI_API_KEY",),
        ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
    ),
    "openrouter": Provider(("openrouter.ai",), ("OPENROUTER_API_KEY",), ("OPENROUTER_API_BASE",)),
    "together": Provider(
        ("api.together.xyz", "api.together.ai"), ("TOGETHER_API_KEY",), ("TOGETHER_API_BASE",)
    ),
    "xai": Provider(("api.x.ai", "*.api.x.ai"), ("XAI_API_KEY",), ("XAI_API_BASE",)),
}
"""LangChain's name of a provider -> what is known of it."""

_UNKNOWN: Final = Provider(())
_OWN_DEFAULT: Final = frozenset(TABLE) - {"ollama"}  # Ollama's is this machine
_PREFIXES: Final = tuple(
    f"{name}_"
    for name in (
        *("ANTHROPIC", "AWS", "AZURE", "CLOUDFLARE", "CO", "COHERE", "DEEPSEEK", "FIREWORKS"),
        *("GEMINI", "GOOGLE", "GROQ", "HF", "HUGGINGFACE", "HUGGINGFACEHUB", "HUGGING_FACE"),
        *("MISTRAL", "NVIDIA", "OLLAMA", "OPENAI", "OPENROUTER", "TOGETHER", "XAI"),
    )
)
_ENVIRONMENT: Final = threading.Lock()


def own_host(provider: str, address: str) -> bool:
    """True if the address is the provider's own; "" is the package's default.

    Only over https: a key in plain text is read by whoever stands in between.
    """
    if not address:
        return provider in _OWN_DEFAULT
    parts = urlsplit(address if "//" in address else f"//{address}")
    host = (parts.hostname or "").rstrip(".")
    hosts = TABLE.get(provider, _UNKNOWN).hosts
    return parts.scheme == "https" and any(fnmatchcase(host, own) for own in hosts)


def key_for(provider: str, address: str, keys: Mapping[str, str]) -> str | None:
    """The key that our code gives a client, or None: it takes its own from the environment.

    Args:
        provider: LangChain's name.
        address: Where the calls go; "" for the package's default.
        keys: Host, or host:port -> name of the variable with its key, as the user named it.

    Returns:
        None only for the provider's own hosts. "none" where no key was named.

    Raises:
        ConfigurationError: A named variable is not set.
    """
    parts = urlsplit(address if "//" in address else f"//{address}")
    named = keys.get(parts.netloc) or keys.get(parts.hostname or "")
    if named:
        value = os.environ.get(named)
        if not value:
            message = f"`chat.keys` names the variable {named} for {parts.netloc}; it is not set"
            problem = Problem("M002", "error", "chat.keys", 0, message, f"set {named}")
            raise ConfigurationError([problem])
        return value
    if own_host(provider, address):
        return None
    return os.environ.get(KEY_VARIABLE) or NO_KEY


def address_options(provider: str, address: str) -> dict[str, Any]:
    """The arguments that send a client to this address; none for the package's default."""
    row = TABLE.get(provider, _UNKNOWN)
    if not address:
        return {}
    options: dict[str, Any] = {row.address_argument: address}
    if provider == "azure_openai":
        options["api_version"] = os.environ.get("OPENAI_API_VERSION") or "2024-10-21"
    if provider == "bedrock_converse":
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        options["region_name"] = region or "us-east-1"
    return options


def key_options(provider: str, key: str) -> dict[str, Any]:
    """The arguments that give a client this key, and no other way to log in.

    Raises:
        ConfigurationError: The provider's package cannot be given a key.
    """
    row = TABLE.get(provider, _UNKNOWN)
    if provider in ("google_vertexai", "huggingface"):
        message = f"{provider} can be called on its own servers only"
        fix = "use openai:NAME@http://host:port/v1 for a server of your own"
        raise ConfigurationError([Problem("M002", "error", provider, 0, message, fix)])
    if provider == "ollama":
        headers = {"Authorization": f"Bearer {key}"} if key != NO_KEY else {}
        return {"client_kwargs": {"headers": headers}}
    if provider == "bedrock_converse":  # it signs; with these two nothing true is signed
        signed = {"aws_access_key_id": NO_KEY, "aws_secret_access_key": NO_KEY}
        return signed if key == NO_KEY else {row.key_argument: key}
    return {row.key_argument: key}


@contextmanager
def without_secrets() -> Iterator[None]:
    """Hides keys, tokens and providers' own settings from a client that is being made.

    Packages read more variables than the ones they name first: second keys, tokens, headers.
    """
    with _ENVIRONMENT:
        hidden = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_PREFIXES) or names_secret(name)
        }
        for name in hidden:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(hidden)
