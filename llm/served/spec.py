"""Names of served models: `served:NAME@URL[,URL...]`, a local model that a server runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ...errors import ConfigurationError
from ..chat.providers import KEY_VARIABLE
from ..chat.spec import strip_secrets

PREFIX: Final = "served:"
FORM: Final = "served:NAME@http://host:port/v1"
"""How a served model is named; more servers of the same model follow after commas."""


@dataclass(frozen=True, slots=True)
class ServedSpec:
    """A served model's name, taken apart.

    Attributes:
        name: The model: `smollm2-135m`, a folder or a hub id. Its tokenizer is read here.
        urls: Addresses of the servers that run it, each ending in `/v1` or a path of its own.
    """

    name: str
    urls: tuple[str, ...]

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}@{','.join(self.urls)}"


def parse_served(spec: str) -> ServedSpec | None:
    """Takes `served:NAME@URL[,URL...]` apart; None for a name that does not begin so.

    Raises:
        ConfigurationError: The name or an address is missing or wrong.
    """
    plain = spec.strip()
    if not plain.startswith(PREFIX):
        return None
    name, at, rest = plain.removeprefix(PREFIX).partition("@http")
    if not name or not at:
        message = f"`{plain}` names no model and server"
        raise ConfigurationError.one("M001", PREFIX.rstrip(":"), message, f"write {FORM}")
    return ServedSpec(name, server_urls("http" + rest, plain))


def server_urls(text: str, where: str) -> tuple[str, ...]:
    """The addresses in `URL[,URL...]`; one without a path gets `/v1`.

    Args:
        text: As in a config.
        where: What holds it, for messages.

    Raises:
        ConfigurationError: One of them is no address, or holds a key, which a config must not.
    """
    found = []
    for one in text.split(","):
        url = one.strip()
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"`{url}` is not the address of a server"
            fix = "write http://host:port/v1, and more of them after commas"
            raise ConfigurationError.one("M001", where, message, fix)
        if parts.username or parts.password or parts.query or parts.fragment:
            fix = f"put the key into the environment variable {KEY_VARIABLE}"
            message = "a server's address must not hold a key or a query"
            raise ConfigurationError.one("M001", where, message, fix)
        clean = strip_secrets(url)
        found.append(clean if parts.path.strip("/") else f"{clean}/v1")
    return tuple(dict.fromkeys(found))
