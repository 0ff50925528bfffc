"""From a conversation and an answer to token ids: the one place where text becomes tokens.

The rule: generation, scoring and training take their ids from `encode`. The context is what
the model reads before it writes; the answer's ids are those of one text with the context, so
that a tokenizer which puts a space before every text puts none into the middle. Where a
token would lie across the border, the answer is encoded as a text that goes on, since the
model that generates has read the context's own ids. A space at the context's end belongs to
what follows: tokenizers join it to the next word.

What a person or a model wrote is text. A control token that it quotes is encoded letter by
letter, never as the token; where that is not possible, the conversation is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ...errors import NotSupportedError
from ..message import Message
from ..request import Request
from .rendering import (
    FIXED_DATE,
    Thinking,
    between_turns,
    common_start,
    depends_on_clock,
    render_chat,
    segments,
    skipped_opening,
    template_arguments,
)

_ANCHORS = ("\n", ".", "a", ":", "0", "|", "\n\n")
_Token = tuple[int, int, int]  # id, start and end in the text
_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation and the answer to it.

    Attributes:
        context: What the model reads before it writes.
        answer: The answer's own ids, without an end; () for no answer.
        held: Whether a space at the context's end was left to the answer.
    """

    context: tuple[int, ...]
    answer: tuple[int, ...]
    held: bool


def encode(
    tokenizer: Any,
    messages: Sequence[Message],
    answer: str = "",
    *,
    prefill: str = "",
    thinking: Thinking = "auto",
) -> Encoded:
    """Renders and tokenizes a conversation with an answer.

    Args:
        tokenizer: The model's.
        messages: The conversation; without any, `prefill` is raw text to go on from, and
            begins with the token that the tokenizer puts before a text.
        answer: What follows; not rendered, so that not one character is lost.
        prefill: What the answer begins with; part of the context.
        thinking: As in `render_chat`.

    Raises:
        NotSupportedError: The template refuses the conversation, or a control token in it
            cannot be told from the template's own.
    """
    text = render_chat(tokenizer, messages, thinking, prefill) if messages else prefill
    quoted = _quoted(tokenizer, messages, text, prefill, thinking)
    lead = () if messages else _lead(tokenizer, text)
    held = text.endswith(" ")
    read = text[:-1] if held else text
    context = _ids(_tokens(tokenizer, read, quoted))
    if not answer:
        return Encoded((*lead, *context), (), held)
    follows = f" {answer}" if held else answer
    if not _found(tokenizer, follows):
        joint = _tokens(tokenizer, read + follows, quoted)
        first = [token for token in joint if token[2] <= len(read)]
        rest = joint[len(first) :]
        if _ids(first) == context and all(start >= len(read) for _, start, _ in rest):
            return Encoded((*lead, *context), _ids(rest), held)
    return Encoded((*lead, *context), _going_on(tokenizer, follows), held)


def encode_request(
    tokenizer: Any, request: Request, thinking: Thinking = "auto"
) -> tuple[list[int], bool]:
    """Token ids to continue from, and whether a trailing space was held back.

    Tokenizers join a space to the word after it: after a context that ends in a
    space, the model has to write that space itself, or it stumbles.
    """
    found = encode(tokenizer, request.messages, prefill=request.prefill, thinking=thinking)
    return _never_empty(tokenizer, found.context), found.held


def encode_scored(tokenizer: Any, request: Request, answer: str) -> tuple[list[int], int]:
    """Token ids of request and answer together, and how many belong to the answer."""
    found = encode(tokenizer, request.messages, answer, prefill=request.prefill)
    return [*_never_empty(tokenizer, found.context), *found.answer], len(found.answer)


def end_ids(tokenizer: Any) -> tuple[int, ...]:
    """The tokens that end an answer: the template's end of turn, else the end of text.

    What a template writes after a last answer and before a next turn alike ends a turn; what
    it adds after that (a line break, a second end token) the model never writes.
    """
    after, between = between_turns(tokenizer)
    shared = after[: common_start(after, between)]
    pattern = _control(tokenizer, len(tokenizer), str(tokenizer.chat_template))
    marks = list(pattern.finditer(shared)) if pattern else []
    text = shared[marks[0].start() : marks[-1].end()] if marks else ""
    if not text and pattern:
        last = [match.group() for match in pattern.finditer(after)]
        text = tokenizer.eos_token if tokenizer.eos_token in last else (last or [""])[0]
    ids = _ids(_tokens(tokenizer, text, ())) if text else ()
    if ids:
        return ids
    return () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)


def rendering_identity(tokenizer: Any, thinking: Thinking = "auto") -> str:
    """What of rendering belongs to a model's identity; "" where nothing is particular.

    Everything here decides ids that the tokenizer's own files do not name. It is "" for a
    template that only joins messages, so that such a model keeps the identity it had.
    """
    messages = (Message("user", "How?"),)
    alone = tokenizer("It is so.", add_special_tokens=False)["input_ids"]
    parts: dict[str, object] = {
        "opening": list(skipped_opening(tokenizer)),
        "first": list(encode(tokenizer, messages, "It is so.").answer) != list(alone),
        "end": [one for one in end_ids(tokenizer) if one != tokenizer.eos_token_id],
        "lead": list(_lead(tokenizer, "a")),
        "date": FIXED_DATE.date().isoformat() if depends_on_clock(tokenizer) else "",
        "arguments": template_arguments(tokenizer, thinking),
    }
    particular = {name: part for name, part in parts.items() if part and part != ["", ""]}
    if not particular:
        return ""
    return hashlib.sha256(json.dumps(particular, sort_keys=True).encode()).hexdigest()


def _lead(tokenizer: Any, text: str) -> tuple[int, ...]:
    """What stands before raw text: the token that the tokenizer puts there itself, or none.

    lm-evaluation-harness does the same, and never puts it twice.
    """
    bos = tokenizer.bos_token_id
    if bos is None or tokenizer("a")["input_ids"][0] != bos:
        return ()
    return () if text.startswith(tokenizer.bos_token) else (int(bos),)


def _never_empty(tokenizer: Any, context: Sequence[int]) -> list[int]:
    """The context, or a token to begin with: an answer is predicted from something."""
    first = [tokenizer.bos_token_id, tokenizer.eos_token_id]
    return list(context) or [int(one) for one in first if one is not None][:1]


@lru_cache(maxsize=8)
def _control(tokenizer: Any, size: int, template: str) -> re.Pattern[str] | None:
    """Finds control tokens: special ones, and added ones the template is made of."""
    added = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.content.strip() and (token.special or token.content in template)
    ]
    names = sorted({*added, *tokenizer.all_special_tokens}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, names))) if names else None


def _found(tokenizer: Any, text: str) -> list[_Span]:
    pattern = _control(tokenizer, len(tokenizer), str(tokenizer.chat_template))
    return [match.span() for match in pattern.finditer(text)] if pattern else []


def _quoted(
    tokenizer: Any, messages: Sequence[Message], text: str, prefill: str, thinking: Thinking
) -> list[_Span]:
    """Control tokens that somebody wrote into a rendered context."""
    start = len(text) - len(prefill)
    quoted = [(start + a, start + b) for a, b in _found(tokenizer, prefill)] if messages else []
    names = {m.content[a:b] for m in messages for a, b in _found(tokenizer, m.content)}
    if not names:
        return quoted
    spans = segments(tokenizer, messages, thinking)
    if spans is None:
        added = tokenizer.added_tokens_decoder.values()
        if names & {token.content for token in added if token.special}:
            raise NotSupportedError(
                f"the conversation quotes control tokens ({', '.join(sorted(names))}), and the "
                "chat template takes its messages apart, so they cannot be encoded as text. "
                "Write them in another way."
            )
        return quoted  # thoughts of earlier turns, which the template knows of
    inside = [(a + x, a + y) for a, b in spans for x, y in _found(tokenizer, text[a:b])]
    return [*inside, *quoted]


def _ids(tokens: Sequence[_Token]) -> tuple[int, ...]:
    return tuple(token for token, _, _ in tokens)


def _tokens(tokenizer: Any, text: str, quoted: Sequence[_Span]) -> list[_Token]:
    """Tokens of a rendered text, control tokens at `quoted` taken as text."""
    masked = text
    for start, end in quoted:
        masked = f"{masked[:start]}{'x' * (end - start)}{masked[end:]}"
    coded = tokenizer(masked, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = coded["input_ids"], coded["offset_mapping"]
    tokens = [(int(one), int(a), int(b)) for one, (a, b) in zip(ids, offsets, strict=True)]
    if not quoted:
        return tokens
    added = set(tokenizer.added_tokens_decoder)
    found: list[_Token] = []
    run: list[_Token] = []
    for token in [*tokens, (-1, len(text), len(text))]:
        if token[0] >= 0 and token[0] not in added:
            run.append(token)
            continue
        first, last = found[-1][2] if found else 0, token[1]
        hit = any(first <= start and end <= last for start, end in quoted)
        found += _plain_run(tokenizer, masked, text, (first, last), run) if hit else run
        found += [token] if token[0] >= 0 else []
        run = []
    return found


def _plain_run(
    tokenizer: Any, masked: str, text: str, span: _Span, run: Sequence[_Token]
) -> list[_Token]:
    """A run between two control tokens, none of its own taken as one.

    The ids come from the tokenizer's pipeline without added tokens. That pipeline must give
    the masked run the ids it has in its place; else the run is encoded behind an anchor.
    Offsets are lost, so all ids stand for the whole run.
    """
    first, last = span
    for anchor in ("", *_ANCHORS):
        lead = _without_added(tokenizer, anchor) if anchor else []
        seen = _without_added(tokenizer, anchor + masked[first:last])
        if seen == [*lead, *_ids(run)]:
            ids = _without_added(tokenizer, anchor + text[first:last])[len(lead) :]
            return [(one, first, last) for one in ids]
    raise NotSupportedError(
        f"a control token is quoted in {text[first:last][:60]!r}, and this tokenizer cannot "
        "encode it as text. Write it in another way."
    )


def _without_added(tokenizer: Any, text: str) -> list[int]:
    backend = tokenizer.backend_tokenizer
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    pieces = [text]
    if backend.pre_tokenizer is not None:
        pieces = [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    return [token.id for piece in pieces for token in backend.model.tokenize(piece)]


def _going_on(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Ids of a text that goes on from another one, whatever that was; all of it is text."""
    quotes = bool(_found(tokenizer, text))
    for anchor in _ANCHORS:
        if quotes:
            lead = _without_added(tokenizer, anchor)
            ids = _without_added(tokenizer, anchor + text)
            if ids[: len(lead)] == lead:
                return tuple(ids[len(lead) :])
            continue
        tokens = _tokens(tokenizer, anchor + text, ())
        rest = [token for token in tokens if token[2] > len(anchor)]
        if all(start >= len(anchor) for _, start, _ in rest):
            return _ids(rest)
    raise NotSupportedError(
        f"this tokenizer cannot encode {text[:60]!r} as the continuation of another text. Write "
        "it in another way."
    )
