"""From a provider's message to a completion: `ok` only where the answer is proved whole.

Proof is a finish reason that is known to mean it, and text that is left when thoughts,
prefill and stop strings are taken off. Everything else is an outcome of its own: cut at the
limit it is `truncated`; withheld, empty, a tool call, a question of which the server read
less than was sent, or a finish reason nobody knows, it is an `error`, which is not stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from ..reasoning import split_reasoning
from ..request import Completion, FinishReason, Outcome, Request, Usage, sound
from .prompt import cut_at_stop, without_prefill

_WHOLE: Final = frozenset(
    {"stop", "end_turn", "stop_sequence", "eos", "eos_token", "end", "complete", "completed"}
    | {"end_of_turn", "end_of_text", "eos_found", "finish", "finished"}
)
_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens", "max_length"})
_CONTEXT: Final = frozenset(
    {"model_length", "model_context_window_exceeded", "context_length_exceeded", "error_limit"}
    | {"context_window_exceeded", "context_length"}
)
_WITHHELD: Final = frozenset(
    {"content_filter", "content_filtered", "refusal", "safety", "prohibited_content", "blocklist"}
    | {"recitation", "spii", "guardrail_intervened", "error_toxic", "sensitive", "language"}
    | {"image_safety", "moderation"}
)
_TOOLS: Final = frozenset({"tool_calls", "tool_use", "function_call", "tool_call"})
_FINISH_FIELDS: Final = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking")
_LONG: Final = 1000  # words; below that no server's context is too short
_LEAST_READ: Final = 0.9  # tokens per word: tokenizers hardly ever join two words
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f\uac00-\ud7a3]")


@dataclass(frozen=True, slots=True)
class Read:
    """What was read from one message.

    Attributes:
        completion: The answer, or why there is none.
        thought: The model thought, whether or not its thoughts were shown.
    """

    completion: Completion
    thought: bool


def read_answer(
    request: Request,
    messages: list[tuple[str, str]],
    message: Any,
    latency: float,
    *,
    limit: int | None,
    room: bool,
) -> Read:
    """Reads one message of a provider.

    Args:
        request: What was asked.
        messages: What was sent for it.
        message: LangChain's message.
        latency: Seconds.
        limit: The token limit that was sent; None where the model has its own.
        room: The limit has room for thoughts.
    """
    spent: Any = message.usage_metadata or {}
    usage = _usage(spent)
    details: Any = spent.get("output_token_details") or {}
    inline, raw = split_reasoning(str(message.text))
    reasoning = "\n".join(filter(None, [_thoughts(message), inline]))
    thought = bool(reasoning) or bool(details.get("reasoning"))
    ended = _ended(message)
    text, stopped = cut_at_stop(without_prefill(raw, request.prefill), request.stop)
    cut = ended in _CUT and not (stopped and raw.strip())
    problem = _withheld(message, ended) or _shortfall(messages, usage)
    if not problem and not cut:
        problem = _unproved(message, ended, raw, stopped=stopped)
    if problem:
        outcome, finish = Outcome("error", problem), "error"
        text = raw
    elif cut:
        outcome = Outcome("truncated", _cut_reason(raw, limit, room=room, thought=thought))
        finish = "length"
    else:
        outcome, finish = Outcome(), "stop"
    kind: FinishReason = finish  # type: ignore[assignment]
    found = Completion(text, None, kind, usage, latency, outcome=outcome, reasoning=reasoning)
    return Read(sound(found), thought)


def _usage(spent: Any) -> Usage:
    """Thoughts count as received: some providers tell them in the total alone."""
    sent, received = int(spent.get("input_tokens") or 0), int(spent.get("output_tokens") or 0)
    return Usage(sent, max(received, int(spent.get("total_tokens") or 0) - sent))


def _thoughts(message: Any) -> str:
    """Thoughts that the provider keeps apart: in blocks of the content, or beside it."""
    found: list[str] = []
    for block in message.content if isinstance(message.content, list) else ():
        if isinstance(block, dict) and block.get("type") in _THOUGHTS:
            found.append(_words(next((block[n] for n in _THOUGHTS if block.get(n)), block)))
    for name in _THOUGHTS:
        if not found and message.additional_kwargs.get(name):
            found.append(_words(message.additional_kwargs[name]))
    return "\n".join(filter(None, found))


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_words, value)))
    if isinstance(value, dict):
        return _words(next((value[n] for n in ("text", "summary", "content") if n in value), ""))
    return ""


def _ended(message: Any) -> str:
    about = message.response_metadata
    said = next((about[name] for name in _FINISH_FIELDS if about.get(name)), "")
    return str(getattr(said, "name", said)).lower().removeprefix("finish_reason_")


def _withheld(message: Any, ended: str) -> str:
    refusal = message.additional_kwargs.get("refusal")
    if refusal or ended in _WITHHELD:
        return f"the provider withheld the answer: {str(refusal or ended)[:200]}"
    if ended in _CONTEXT:
        return f"question and answer exceed the model's context ({ended})"
    called = getattr(message, "tool_calls", None) or getattr(message, "invalid_tool_calls", None)
    if called or ended in _TOOLS:
        return "the model called a tool instead of answering"
    return ""


def _unproved(message: Any, ended: str, raw: str, *, stopped: bool) -> str:
    if not raw.strip():
        return f"the answer is empty (finish reason: {ended or 'none'})"
    # A stop string found in the text ends it, whatever limit was met after it.
    if ended in _WHOLE or (stopped and (not ended or ended in _CUT)):
        return ""
    if not ended:
        return "the server gave no finish reason, so nothing shows that the answer is whole"
    return f"the finish reason {ended[:60]!r} is not known to mean a whole answer"


def _cut_reason(raw: str, limit: int | None, *, room: bool, thought: bool) -> str:
    said = f"cut at the limit of {limit} tokens" if limit else "cut at the model's own limit"
    if raw.strip():
        return said
    if not (thought or room):
        return f"{said} before the answer began"
    if limit is None:
        return f"{said} while the model was thinking: raise it"
    return f"{said} while the model was thinking: raise `chat.reasoning_tokens`"


def _shortfall(messages: list[tuple[str, str]], usage: Usage) -> str:
    """What is wrong where the server says that it read far less than was sent."""
    said = " ".join(text for _, text in messages)
    unspaced = len(_UNSPACED.findall(said))
    words = len(_UNSPACED.sub(" ", said).split()) + unspaced // 4
    if words < _LONG or not 0 < usage.prompt_tokens < _LEAST_READ * words:
        return ""
    return (
        f"the server read {usage.prompt_tokens} tokens of a question of about {words} words: its "
        "context is too short, so the answer is not to what was asked; raise its context length"
    )
