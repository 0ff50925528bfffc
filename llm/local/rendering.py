"""From a request to the exact text and tokens a local model reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..message import Message
from ..request import Request


def render_chat(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The conversation in the tokenizer's own chat template, up to the answer's start.

    The template decides everything, default system message included, so that
    generation, scoring and training (which uses the same template) agree.
    """
    chat = [{"role": message.role, "content": message.content} for message in messages]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return str(text)


def render_request(tokenizer: Any, request: Request) -> str:
    """The conversation followed by the request's prefill; the bare prefill without one."""
    if not request.messages:
        return request.prefill
    return render_chat(tokenizer, request.messages) + request.prefill


def encode_request(tokenizer: Any, request: Request) -> tuple[list[int], bool]:
    """Token ids to continue from, and whether a trailing space was held back.

    Tokenizers join a space to the word after it: after a prefill that ends in a
    space, the model has to write that space itself, or it stumbles.
    """
    text = render_request(tokenizer, request)
    held = request.prefill.endswith(" ")
    ids = tokenizer(text[:-1] if held else text, add_special_tokens=False)["input_ids"]
    return list(ids), held


def encode_scored(tokenizer: Any, request: Request, answer: str) -> tuple[list[int], int]:
    """Token ids of request and answer together, and how many belong to the answer.

    Both are tokenized as one text, as in training. A token that lies across the
    border counts as the answer's.
    """
    context = render_request(tokenizer, request)
    coded = tokenizer(context + answer, add_special_tokens=False, return_offsets_mapping=True)
    ends = [end for _, end in coded["offset_mapping"]]
    return list(coded["input_ids"]), sum(end > len(context) for end in ends)


def parse_json(text: str) -> object:
    """The value of a JSON text, or None where it is not one."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return value
