"""What a config's model names come to before anything is called: unknown, untrainable, silent."""

from __future__ import annotations

import difflib
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ..errors import ConfigurationError, ModelNotFoundError, Problem, Severity
from ..llm.chat.settings import ChatSettings
from ..llm.chat.spec import ChatSpec, parse_chat_spec
from ..llm.local.embedded import EMBEDDED
from ..llm.served.spec import parse_served, server_urls

if TYPE_CHECKING:
    from .config import RunConfig
    from .resolved import Resolved

FIELDS: Final = ("model", "critic", "comparator", "teacher")
"""Fields of a config that name a model; the first is trained."""

ENVIRONMENT: Final = frozenset({"M002", "M003", "T010"})
"""Codes of what may be otherwise elsewhere: a key, a server, the memory."""

_SOLD_AS: Final = (
    (r"(gpt-?\d|chatgpt|o[1-9](-|$))", "openai"),
    (r"claude", "anthropic"),
    (r"gemini", "google_genai"),
    (r"(mistral|ministral|codestral)-(large|medium|small|latest|\d)", "mistralai"),
    (r"command-(r|a)", "cohere"),
    (r"grok", "xai"),
    (r"deepseek-(chat|reasoner)", "deepseek"),
)
"""How a chat model's name begins -> its provider."""

_TRAINED: Final = f"a local model, such as {EMBEDDED}, a folder or a hub id"


def model_problems(config: RunConfig, source: str) -> list[Problem]:
    """Names that cannot work, each with the way out; nothing is loaded or asked."""
    named = [(field, getattr(config, field)) for field in FIELDS]
    problems = [
        Problem(code, "error", source, 0, message, fix)
        for field, name in named
        if name is not None
        for code, message, fix in _wrong(field, name)
    ]
    try:
        server_urls(config.policy_server or "http://none", "policy_server")
    except ConfigurationError as error:
        said = (f"`policy_server` is wrong: {p.message}" for p in error.problems)
        problems += [
            Problem(p.code, "error", source, 0, message, p.fix)
            for p, message in zip(error.problems, said, strict=True)
        ]
    return problems


def problems_of(names: Sequence[str]) -> list[Problem]:
    """What is wrong with the models that a command is given: names, keys, servers.

    Args:
        names: The models.
    """
    found = []
    for name in dict.fromkeys(names):
        wrong = list(_wrong("MODEL", name))
        told = wrong or list(_unready(name, ChatSettings(), 1.0))
        found += [Problem(code, "error", name, 0, message, fix) for code, message, fix in told]
    return found


def unreachable(
    resolved: Resolved, source: str, severity: Severity = "error", *, seconds: float = 1.0
) -> list[Problem]:
    """Keys that are not set and servers that do not answer, of every model that is named.

    Args:
        resolved: The run.
        source: Where it came from, for messages.
        severity: Of what is found.
        seconds: How long a server may take to accept a connection.
    """
    problems = []
    for field, name in resolved.named.items():
        # nobody asks those that are named and not among the run's models
        bad = severity if name in resolved.models else "warning"
        for code, message, fix in _unready(name, resolved.chat, seconds):
            text = f"`{field}` is {name}: {message}"
            problems.append(Problem(code, bad, source, 0, text, fix))
    if resolved.policy_server:
        for url in server_urls(resolved.policy_server, source):
            for code, message, fix in _deaf(url, seconds):
                text = f"`policy_server` is {resolved.policy_server}: {message}"
                problems.append(Problem(code, severity, source, 0, text, fix))
    return problems


def _wrong(field: str, name: str) -> Iterator[tuple[str, str, str]]:
    got = f"`{field}` is '{name}'"
    plain = name.strip()
    server = re.fullmatch(r"([a-z_]+):([^@\s]+)@(?!https?://)(\S+)", plain)
    if server:
        fix = f"write {server[1]}:{server[2]}@http://{server[3]}"
        yield "M001", f"{got}, whose address does not begin with http:// or https://", fix
        return
    try:
        served = parse_served(plain)
        spec = parse_chat_spec(plain)
    except ConfigurationError as error:
        yield from ((p.code, f"{got}: {p.message}", p.fix) for p in error.problems)
        return
    if served is not None and field == "model":
        message = f"{got}, a model on a server: one that is trained must be here"
        fix = f"write `model: {served.name}` and `policy_server: {','.join(served.urls)}`"
        yield "R011", message, fix
        return
    if served is not None:
        yield from _local(got, served.name)
        return
    sold = next((by for start, by in _SOLD_AS if re.match(start, plain.lower())), None)
    unsold = sold is not None and "/" not in plain and not Path(plain).exists()
    if field == "model" and (spec is not None or unsold):
        code = "R010" if spec is None else "R011"
        called = plain if spec is not None else f"{sold}:{plain}"
        message = f"{got}, a chat model: its weights are not here, so it cannot be trained"
        fix = f"name {_TRAINED} as `model`; {called} can be the `critic` or the `teacher`"
        yield code, message, fix
    elif spec is None and unsold:
        yield "R010", f"{got}, a chat model without its provider", f"write {sold}:{plain}"
    elif spec is None:
        yield from _local(got, plain)


def _local(got: str, name: str) -> Iterator[tuple[str, str, str]]:
    if "$" in name:
        yield (
            "T011",
            f"{got}, but variables are not filled in here",
            f"write the path, or {_TRAINED}",
        )
    elif name.startswith((".", "/", "~")) and not Path(name).expanduser().exists():
        yield "T011", f"{got}, and there is no such folder", "check the path of the folder"
    elif "/" not in name and name != EMBEDDED and not Path(name).exists():
        near = difflib.get_close_matches(name.lower(), [EMBEDDED, "scripted"], n=1, cutoff=0.75)
        if near and name != near[0]:
            yield "T011", f"{got}, which is no model's name", f"did you mean `{near[0]}`?"


def _unready(name: str, settings: ChatSettings, seconds: float) -> Iterator[tuple[str, str, str]]:
    try:
        served, spec = parse_served(name), parse_chat_spec(name)
    except ConfigurationError:
        return  # the check of names says so
    for url in served.urls if served else ():
        yield from _deaf(url, seconds)
    if spec is not None:
        yield from _silent(spec, settings, seconds)


def _silent(
    spec: ChatSpec, settings: ChatSettings, seconds: float
) -> Iterator[tuple[str, str, str]]:
    from ..llm.chat.clients import check_available

    try:
        check_available(spec, settings)
    except ConfigurationError as error:
        yield from ((p.code, p.message, p.fix) for p in error.problems)
    except ModelNotFoundError as error:
        yield "T011", str(error), "install it"
    if spec.own_server:
        yield from _deaf(spec.base_url, seconds)


def _deaf(url: str, seconds: float) -> Iterator[tuple[str, str, str]]:
    address = urlsplit(url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=seconds).close()
    except OSError:
        message = f"nothing listens at {address.hostname}:{port}"
        yield "M003", message, "start the server there, or correct the address"
