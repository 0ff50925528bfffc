"""How long requests are, without a tokenizer: batches are planned by it."""

from __future__ import annotations

from collections.abc import Iterable

from .request import Request


def length_of(request: Request) -> int:
    """Length in characters, new tokens included.

    Characters, not tokens: the plan must not need the model. A token is about 4.
    """
    said = sum(len(message.content) for message in request.messages)
    return said + len(request.prefill) + 4 * request.max_tokens


def lengths_together(texts: Iterable[tuple[Request, str]]) -> list[int]:
    """Length of each text, those after the same request as long as the longest of them.

    So a plan by length keeps the options of a question in one batch, where a local
    model reads the question once.
    """
    pairs = list(texts)
    longest: dict[tuple[object, str], int] = {}
    for request, text in pairs:
        owner = (request.messages, request.prefill)
        longest[owner] = max(longest.get(owner, 0), length_of(request) + len(text))
    return [longest[request.messages, request.prefill] for request, _ in pairs]
