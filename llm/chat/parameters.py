"""A request's settings in a provider's own words, and which of them a server refuses."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Set as AbstractSet
from typing import Any, Final

from ...errors import ConfigurationError, Problem
from ..request import Request
from .errors import Failure
from .settings import ChatSettings

OPENAI_LIKE: Final = frozenset({"openai", "azure_openai", "deepseek", "xai"})
_MAX_STOPS: Final = 4  # OpenAI refuses more; the rest is cut here
_SHORT: Final = 8  # tokens: a request for so few asks for one word
_LIMITS: Final = ("max_tokens", "max_completion_tokens")
_THINKS: Final = re.compile(
    r"(?:^|[/:_-])(?:o[134](?:-|$)|gpt-5|gpt-oss|deepseek-(?:r1|reasoner)|qwq|magistral"
    r"|grok-(?:3-mini|4)|gemini-(?:2\.5|3)|kimi-k2-thinking)|thinking|reason(?:er|ing)",
    re.IGNORECASE,
)

PARAMETER_NAMES: Final = {
    "temperature": ("temperature",),
    "top_p": ("top_p", "topP"),
    "max_completion_tokens": ("max_completion_tokens",),
    "max_tokens": ("max_tokens", "num_predict", "max_output_tokens", "maxOutputTokens"),
    "seed": ("seed", "random_seed"),
    "stop": ("stop", "stop_sequences", "stopSequences"),
    "response_format": ("response_format", "json_schema", "structured output", "format"),
}
"""Our name of a parameter -> what servers call it when they do not take it."""

_TOO_LARGE: Final = re.compile(
    r"too (?:large|long|many|high)|at most|maximum|exceed|less than|larger"
    r"|context (?:length|window)"
)
_COMMON_WORDS: Final = frozenset({"stop", "seed", "format"})  # a name only where it is marked


def thinks(name: str) -> bool:
    """True if a model of this name is known to think before it answers."""
    return _THINKS.search(name) is not None


def expects_thoughts(name: str, settings: ChatSettings) -> bool:
    """True if a model of this name gets room for thoughts from its first call on."""
    return thinks(name) if settings.thinking == "auto" else settings.thinking == "on"


def token_limit(request: Request, settings: ChatSettings, *, room: bool) -> int:
    """The limit that is sent: the request's, and room for what is not the answer.

    Args:
        request: What is asked.
        settings: The least limit of a verdict, and the room for thoughts.
        room: The model thinks.
    """
    least = settings.verdict_tokens if request.max_tokens <= _SHORT else 0
    # Characters per token are at least 2 for nearly all text; the rest is a margin.
    repeated = len(request.prefill) // 2 + 8 if request.prefill.strip() else 0
    return max(request.max_tokens, least) + repeated + (settings.reasoning_tokens if room else 0)


def parameters(
    provider: str,
    request: Request,
    dropped: AbstractSet[str],
    *,
    limit: int | None,
    own_server: bool = False,
    context: int = 0,
    thinking: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The call's sampling settings in the provider's own words.

    Args:
        provider: LangChain's name.
        request: What is asked.
        dropped: Names (of `PARAMETER_NAMES`) the server has refused.
        limit: Most new tokens; None where the model, made in Python, has a limit of its own.
        own_server: A compatible server: it gets `max_tokens` under its old name, too.
        context: Tokens that question and answer need together (Ollama only).
        thinking: What `thinking_options` gave.
    """
    wanted = _wanted(provider, request)
    if limit is not None:
        wanted["max_tokens"] = limit
    if provider not in OPENAI_LIKE:
        dropped = dropped - {"max_tokens"}  # the only name of its limit, so the last one
    kept = {n: value for n, value in wanted.items() if n == "max_tokens" or n not in dropped}
    if provider == "ollama":
        return _ollama(kept, context) | (thinking or {})
    if provider not in OPENAI_LIKE:
        allowed = ("temperature", "top_p", "max_tokens", "stop")
        found = {name: kept[name] for name in allowed if name in kept} | (thinking or {})
        if provider.startswith("google_") and "max_tokens" in found:
            found["max_output_tokens"] = found.pop("max_tokens")
        return found
    return _openai(kept, dropped, thinking or {}, own_server=own_server)


def _wanted(provider: str, request: Request) -> dict[str, Any]:
    """What was asked for, and nothing else."""
    wanted: dict[str, Any] = {"temperature": request.temperature, "seed": _seed(request)}
    if request.top_p < 1.0 and request.temperature > 0:  # greedy: one token has all the mass
        wanted["top_p"] = request.top_p
    if provider == "anthropic" and "top_p" in wanted:  # refuses both together
        del wanted["temperature" if request.temperature == 1.0 else "top_p"]
    stops = [stop for stop in request.stop if stop.strip() or stop == "\n"][:_MAX_STOPS]
    # The model has to repeat the prefill first: a stop string in it would end the answer.
    if stops and not request.prefill.strip():
        wanted["stop"] = stops
    if request.schema:
        wanted["response_format"] = json.loads(request.schema)
    return wanted


def _openai(
    kept: dict[str, Any],
    dropped: AbstractSet[str],
    thinking: dict[str, Any],
    *,
    own_server: bool,
) -> dict[str, Any]:
    # Through `extra_body`: LangChain's own way raises on cut JSON and loses the text.
    body: dict[str, Any] = dict(thinking)
    if "response_format" in kept:
        shape = {"name": "answer", "schema": kept.pop("response_format")}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    if "max_tokens" in kept:
        # LangChain's `max_tokens` becomes `max_completion_tokens`; the old name goes beside it.
        names = limits_sent(dropped, own_server=own_server)
        if "max_tokens" in names:
            body["max_tokens"] = kept["max_tokens"]
        if "max_completion_tokens" not in names:
            del kept["max_tokens"]
    return kept | ({"extra_body": body} if body else {})


def limits_sent(dropped: AbstractSet[str], *, own_server: bool) -> tuple[str, ...]:
    """Under which names the limit goes to a server of OpenAI's protocol: at least one."""
    if "max_completion_tokens" in dropped:
        return ("max_tokens",)
    return _LIMITS if own_server and "max_tokens" not in dropped else ("max_completion_tokens",)


def _ollama(kept: dict[str, Any], context: int) -> dict[str, Any]:
    names = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "num_predict"}
    names["seed"] = "seed"
    options = {theirs: kept[ours] for ours, theirs in names.items() if ours in kept}
    if context:
        options["num_ctx"] = context  # its default is short, and what is over is cut in silence
    found: dict[str, Any] = {"options": options}
    if "response_format" in kept:
        found["format"] = kept["response_format"]
    return found | ({"stop": kept["stop"]} if "stop" in kept else {})


def thinking_options(
    provider: str, name: str, settings: ChatSettings, *, own_server: bool
) -> dict[str, Any]:
    """How the provider is told to think or not; nothing with `auto`.

    Raises:
        ConfigurationError: The provider's models cannot be told.
    """
    if settings.thinking == "auto":
        return {}
    on = settings.thinking == "on"
    if provider == "openai" and own_server:
        return {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}
    if provider in ("openai", "azure_openai"):
        if not thinks(name):
            return {"reasoning_effort": "medium"} if on else {}
        least = "minimal" if re.search(r"gpt-5(?!\.)", name) else "none"
        return {"reasoning_effort": "medium" if on else least}
    budget = settings.reasoning_tokens
    found: dict[str, dict[str, Any]] = {
        "anthropic": {
            "thinking": {"type": "enabled", "budget_tokens": max(1024, budget)}
            if on
            else {"type": "disabled"}
        },
        "deepseek": {"thinking": {"type": "enabled" if on else "disabled"}},
        "google_genai": {"thinking_budget": budget if on else 0},
        "ollama": {"reasoning": on},
        "openrouter": {"reasoning": {"enabled": on}},
    }
    if provider not in found:
        message = f"models of {provider} cannot be told to think or not from here"
        fix = "use `chat: {thinking: auto}`, or a model's name that says it"
        raise ConfigurationError([Problem("M002", "error", "chat.thinking", 0, message, fix)])
    return found[provider]


def left_out_next(
    failure: Failure, left_out: AbstractSet[str], request: Request, *, own_server: bool
) -> frozenset[str]:
    """What to leave out after a refusal; unchanged where no name of ours is refused.

    The limit is never left out altogether: of its two names one stays.
    """
    named = {name for name in PARAMETER_NAMES if _is_named(name, failure)}
    refused = named & set(_wanted("", request)) - left_out
    if {"temperature", "top_p"} <= refused:
        refused = {"top_p"}  # together they were too much
    limits = left_out & set(_LIMITS)
    sent = limits_sent(left_out, own_server=own_server)
    if _TOO_LARGE.search(failure.text) is None and (wrong := named & set(sent)):
        # Of two names the newer stays; where one alone was sent, it goes under the other.
        limits = {"max_tokens"} if len(wrong) > 1 else wrong
    return frozenset((left_out - set(_LIMITS)) | refused | limits)


def _is_named(name: str, failure: Failure) -> bool:
    words = PARAMETER_NAMES[name]
    if failure.fields:
        return any(word in failure.fields for word in words)
    for word in words:
        if word in _COMMON_WORDS:
            marked = rf"[\"'`]{word}[\"'`]|\b{word}[_ ](?:parameter|sequences?|argument|field)\b"
            pattern = rf"{marked}|\b(?:parameter|argument|field|name)s?:? {word}\b"
        else:
            pattern = rf"(?<![\w-]){re.escape(word)}(?![\w-])"
        if re.search(pattern, failure.text):
            return True
    return False


def _seed(request: Request) -> int:
    """Differs from sample to sample; fits into 31 bits, as some servers want."""
    digest = hashlib.sha256(f"{request.seed}:{request.sample}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
