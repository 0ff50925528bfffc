"""Names of chat models: `provider:model`, with `@URL` for a server of your own."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from ...errors import ConfigurationError
from ...files.validation import suggestion
from .providers import KEY_VARIABLE, TABLE

PROVIDERS: Final = tuple(TABLE)
"""Providers whose names are understood; LangChain's own names."""

_SPEC: Final = re.compile(r"([a-z_]{3,}):(?!//)(\S+)")


@dataclass(frozen=True, slots=True)
class ChatSpec:
    """A chat model's name, taken apart.

    Attributes:
        provider: LangChain's name of the provider.
        name: The provider's name of the model.
        base_url: Address of the server; "" for the provider's own.
        own_server: True where the address stands in the spec itself.
        settings: Hash of what else was set on a model made in Python; "" for nothing.
    """

    provider: str
    name: str
    base_url: str = ""
    own_server: bool = False
    settings: str = ""

    @property
    def fingerprint(self) -> str:
        """Provider, address, model name and settings; never a key."""
        named = f"chat:{self.provider}:{self.base_url or 'default'}:{self.name}"
        return f"{named}#{self.settings}" if self.settings else named


def parse_chat_spec(spec: str) -> ChatSpec | None:
    """Takes `openai:gpt-4o-mini` or `openai:NAME@http://host:port/v1` apart.

    Args:
        spec: As in a run config.

    Returns:
        The parts, or None for a folder, a hub id, `served:...`, or another name without a
        provider.

    Raises:
        ConfigurationError: An unknown provider, or an address that is none or that
            holds a user name, a password or a query: a config is kept on disk.
    """
    found = _SPEC.fullmatch(spec.strip())
    if found is None or Path(spec).expanduser().is_dir():
        return None
    provider, rest = found.group(1), found.group(2)
    if provider == "served":  # a local model on a server; see `llm.served.spec`
        return None
    if provider not in PROVIDERS:
        fix = suggestion(provider, PROVIDERS)
        raise ConfigurationError.one(
            "M001", provider, f"there is no provider {provider!r} of chat models", fix
        )
    name, at, url = rest.partition("@http")
    if at:
        return ChatSpec(provider, name, _checked("http" + url, provider, name), own_server=True)
    variables = TABLE[provider].addresses
    url = next((os.environ[key] for key in variables if os.environ.get(key)), "")
    return ChatSpec(provider, name, strip_secrets(url))


def strip_secrets(url: str) -> str:
    """An address without user name, password, query and fragment, or trailing slash."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def _checked(url: str, provider: str, name: str) -> str:
    clean, parts = strip_secrets(url), urlsplit(url)
    if not name or parts.scheme not in {"http", "https"} or not parts.hostname:
        fix = f"write {provider}:NAME@http://host:port/v1"
        raise ConfigurationError.one(
            "M001", provider, "the model's name or its server's address is missing", fix
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        fix = f"put the key into the environment variable {KEY_VARIABLE}"
        raise ConfigurationError.one(
            "M001", provider, "a server's address must not hold a key or a query", fix
        )
    return clean
