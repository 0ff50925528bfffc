"""What a local model's answer is, wherever it was computed: its limits, its end, its text."""

from __future__ import annotations

import json
from typing import Any

from ...errors import ModelNotFoundError, NotSupportedError
from ..reasoning import ends_opened, split_reasoning, without_marks
from ..request import Completion, FinishReason, Outcome, Request, Usage
from .decoding import Row
from .encoding import end_ids, rendering_identity
from .rendering import Thinking, parse_json, thinks_first

_MARK_TOKENS = 12  # hold the mark that ends a rendered prompt, in any tokenizer


def context_of(config: Any) -> int:
    """Most tokens that a model of this config reads."""
    limit = getattr(config, "max_position_embeddings", None)
    return int(limit) if limit else 1 << 30


def too_long(prompt: int, new: int, context: int) -> str:
    """Why a prompt and its answer do not fit into the context; "" where they do.

    Args:
        prompt: Tokens of the prompt, or of the whole conversation to be scored.
        new: Most new tokens; 0 where a text is scored.
        context: The model's.
    """
    if prompt + new <= context:
        return ""
    if new:
        return (
            f"{prompt} prompt tokens and max_tokens {new} exceed the model's context of {context}"
        )
    return (
        f"a conversation of {prompt} tokens exceeds the model's context of {context}: shorten "
        "the system prompt or the text"
    )


def token_limit(request: Request, thinking: Thinking, room: int) -> int:
    """Most new tokens that a request may cost, thoughts included.

    Args:
        request: What is asked.
        thinking: Whether the model thinks first.
        room: Tokens for its thoughts, at least 0.
    """
    thinks = thinks_first(request.messages, thinking, request.prefill)
    return request.max_tokens + (room if thinks else 0)


def stop_ids_of(generation: Any, tokenizer: Any) -> frozenset[int]:
    """The model's own stops, the end that is trained, and a new turn's first token.

    Args:
        generation: The model's generation config.
        tokenizer: Its tokenizer.

    Raises:
        ModelNotFoundError: The tokenizer has no end token.
    """
    configured = getattr(generation, "eos_token_id", None)
    several = configured if isinstance(configured, list) else [configured]
    try:
        trained = end_ids(tokenizer)[-1:]
    except NotSupportedError as error:
        raise ModelNotFoundError(str(error)) from error
    found = {*several, *trained, tokenizer.eos_token_id, tokenizer.bos_token_id} - {None}
    if not found:
        raise ModelNotFoundError("the tokenizer has no end-of-text token; set eos_token.")
    return frozenset(int(token) for token in found)


def particulars(stops: frozenset[int], tokenizer: Any, thinking: Thinking) -> dict[str, str]:
    """What decides answers beside weights and tokenizer; empty where nothing does.

    So a model whose generation config and template add nothing keeps its fingerprint.
    """
    more = sorted(stops - {tokenizer.eos_token_id, tokenizer.bos_token_id})
    found = {
        "stops": json.dumps(more) if more else "",
        "rendering": rendering_identity(tokenizer, thinking),
    }
    return {name: part for name, part in found.items() if part}


def begins_inside(tokenizer: Any, row: Row) -> bool:
    """True if the template has begun the thoughts, so the new text begins inside them."""
    end = "" if row.request.prefill else tokenizer.decode(row.ids[-_MARK_TOKENS:])
    return ends_opened(end)


def completion_of(row: Row, held: bool, *, opened: bool, latency: float = 0.0) -> Completion:
    """What a finished row comes to.

    Args:
        row: Its tokens, text and finish.
        held: Whether the prompt left its last space to the answer.
        opened: As `begins_inside` says of it.
        latency: Seconds it took.
    """
    text = row.text[1:] if held and row.text.startswith(" ") else row.text
    reasoning, text = split_reasoning(text, opened=opened)
    text = without_marks(text) if row.marked else text
    parsed = parse_json(row.request.prefill + text) if row.request.schema else None
    if row.finish == "broken":
        reason = (
            "the model gives log-probabilities that are not finite: check its weights, or load "
            "it with dtype float32"
        )
        usage = Usage(len(row.ids), len(row.tokens))
        outcome = Outcome("malformed", reason)
        return Completion(text, finish="error", usage=usage, latency=latency, outcome=outcome)
    finish: FinishReason = "length" if row.finish == "length" else "stop"
    outcome = Outcome("truncated") if finish == "length" else Outcome()
    if reasoning and not text.strip():
        said = f"the model was still thinking after {len(row.tokens)} tokens: raise max_tokens "
        said += "or reasoning_tokens"
        whole = Outcome("malformed", "the model thought, but gave no answer")
        outcome = Outcome("truncated", said) if finish == "length" else whole
    return Completion(
        text=text,
        parsed=parsed,
        finish=finish,
        usage=Usage(len(row.ids), len(row.tokens)),
        latency=latency,
        logprobs=tuple(row.logprobs),
        outcome=outcome,
        reasoning=reasoning,
    )


def failed_completion(reason: str) -> Completion:
    """An `error` of one request alone."""
    return Completion(text="", finish="error", outcome=Outcome("error", reason))
