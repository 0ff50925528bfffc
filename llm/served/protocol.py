"""The protocol of the server, field by field: requests are checked, answers are shaped.

A field that would change an answer and is not known here is refused, never left out.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..local.decoding import Row
from ..local.scoring import TokenScore
from ..message import Message
from ..request import Completion, Request


class FieldError(ValueError):
    """A request that the server will not answer.

    Args:
        field: The field that is wrong; "" for none.
        message: What is wrong with it.
        status: The HTTP status.
    """

    def __init__(self, field: str, message: str, *, status: int = 400) -> None:
        self.field, self.status = field, status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, checked.

    Attributes:
        request: How to sample, and the messages of a chat.
        prompts: Texts or token ids to go on from; () for a chat.
        seed: Seeds the sampling.
        stops: Tokens that end the answer beside the model's own.
        stream: Whether the answer is sent piece by piece.
        echo: Whether the prompt is repeated before the answer.
        logprobs: Likeliest tokens to name beside each new one; None for no log-probabilities.
        prompt_logprobs: The same for the tokens of the prompt.
        return_token_ids: Whether the answer holds token ids.
        chat: Whether it is a chat.
        open_end: Whether no limit was given.
    """

    request: Request
    prompts: tuple[str | list[int], ...]
    seed: int
    stops: frozenset[int]
    stream: bool
    echo: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    return_token_ids: bool = False
    chat: bool = False
    open_end: bool = False

    @property
    def top(self) -> int | None:
        """Likeliest tokens that a pass over all tokens must name; None where none is needed."""
        if self.prompt_logprobs is None and not self.logprobs:
            return 0 if self.echo and self.logprobs is not None else None
        return max(self.prompt_logprobs or 0, self.logprobs or 0)

    def within(self, room: int) -> Asked:
        """The same; where no limit was given, with at most so many new tokens."""
        if not self.open_end:
            return self
        limit = max(1, min(room, self.request.max_tokens))
        return replace(self, request=replace(self.request, max_tokens=limit))


_MOST_TOP: Final = 20
_MOST_TOKENS: Final = 1 << 17
_CHAT_TOKENS: Final = 4096  # where a chat gives no limit
_NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "n": (1,),
    "best_of": (1,),
    "suffix": ("",),
    "top_k": (0, -1),
    "min_p": (0,),
    "repetition_penalty": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "length_penalty": (1,),
    "logit_bias": ({},),
    "use_beam_search": (False,),
    "ignore_eos": (False,),
    "min_tokens": (0,),
    "allowed_token_ids": (),
    "include_stop_str_in_output": (False,),
    "skip_special_tokens": (True,),
    "response_format": ({"type": "text"},),
    "structured_outputs": (),
    "tools": ([],),
    "tool_choice": ("none",),
    "prompt_embeds": (),
    "add_special_tokens": (True,),
    "truncate_prompt_tokens": (),
}
"""Fields that would change an answer and are not known here -> values that change nothing."""


def asked_completions(body: Mapping[str, Any]) -> Asked:
    """Checks the body of `/v1/completions`.

    Raises:
        FieldError: A field is wrong, or cannot be honoured.
    """
    common = _common(body, default_tokens=16)
    prompts = _prompts(body.get("prompt"))
    wanted = _top(body, "prompt_logprobs")
    for name in ("prompt_logprobs", "logprobs", "echo"):
        if common.stream and body.get(name) is not None and body[name] is not False:
            raise FieldError(name, f"`{name}` is not available when `stream=True`")
    return replace(
        common,
        prompts=prompts,
        echo=_flag(body, "echo"),
        logprobs=_top(body, "logprobs"),
        prompt_logprobs=wanted,
        return_token_ids=_flag(body, "return_token_ids"),
    )


def asked_chat(body: Mapping[str, Any]) -> Asked:
    """Checks the body of `/v1/chat/completions`.

    Raises:
        FieldError: A field is wrong, or cannot be honoured.
    """
    given = body.get("max_completion_tokens")
    given = body.get("max_tokens") if given is None else given
    common = _common({**body, "max_tokens": given}, default_tokens=_CHAT_TOKENS)
    messages = _messages(body.get("messages"))
    prefill = ""
    if _flag(body, "continue_final_message"):
        if messages[-1].role != "assistant":
            raise FieldError("messages", "the final message to go on from is not the assistant's")
        messages, prefill = messages[:-1], messages[-1].content
    if not messages:
        raise FieldError("messages", "give at least one message of the user")
    wanted = _top(body, "top_logprobs") or 0 if _flag(body, "logprobs") else None
    request = replace(common.request, messages=messages, prefill=prefill)
    if common.stream and wanted is not None:
        raise FieldError("logprobs", "`logprobs` cannot be streamed")
    return replace(common, request=request, logprobs=wanted, chat=True, open_end=given is None)


def _common(body: Mapping[str, Any], default_tokens: int) -> Asked:
    for name, neutral in _NEUTRAL.items():
        value = body.get(name)
        if value is not None and value not in neutral:
            raise FieldError(name, f"this server does not know `{name}`: leave it out")
    stop = body.get("stop") or []
    stop = [stop] if isinstance(stop, str) else stop
    if not isinstance(stop, list) or not all(isinstance(one, str) and one for one in stop):
        raise FieldError("stop", "`stop` must be a text or a list of texts")
    ids = body.get("stop_token_ids") or []
    if not _are_ids(ids):
        raise FieldError("stop_token_ids", "`stop_token_ids` must be a list of token ids")
    seed = body.get("seed")
    if seed is not None and not _is_whole(seed):
        raise FieldError("seed", "`seed` must be a whole number")
    request = Request(
        (),
        temperature=_number(body, "temperature", 1.0, 0.0, 1e6),
        top_p=_number(body, "top_p", 1.0, 1e-9, 1.0),
        max_tokens=_limit(body.get("max_tokens"), default_tokens),
        stop=tuple(stop),
    )
    drawn = secrets.randbits(62) if seed is None else seed
    return Asked(request, (), drawn, frozenset(ids), _flag(body, "stream"))


def _limit(value: Any, default: int) -> int:
    if value is None:
        return default
    if not _is_whole(value) or not 1 <= value <= _MOST_TOKENS:
        message = f"`max_tokens` must be from 1 to {_MOST_TOKENS}, got {value!r}"
        raise FieldError("max_tokens", message)
    return int(value)


def _number(body: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise FieldError(name, f"`{name}` must be from {least:g} to {most:g}, got {value!r}")
    return float(value)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if not isinstance(value, bool | None):
        raise FieldError(name, f"`{name}` must be true or false, got {value!r}")
    return bool(value)


def _top(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None or (_is_whole(value) and 0 <= value <= _MOST_TOP):
        return value
    raise FieldError(name, f"`{name}` must be from 0 to {_MOST_TOP}, got {value!r}")


def _prompts(value: Any) -> tuple[str | list[int], ...]:
    if isinstance(value, str) and value:
        return (value,)
    if isinstance(value, list) and value:
        if _are_ids(value):
            return (value,)
        if all((isinstance(one, str) and one) or (one and _are_ids(one)) for one in value):
            return tuple(value)
    raise FieldError("prompt", "`prompt` must be a text, a list of token ids, or a list of either")


def _messages(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise FieldError("messages", "`messages` must be a list of at least one message")
    return tuple(_message(one) for one in value)


def _message(value: Any) -> Message:
    role = value.get("role") if isinstance(value, dict) else None
    if role not in ("system", "user", "assistant"):
        raise FieldError("messages", "the role of a message must be system, user or assistant")
    content = value.get("content")
    if isinstance(content, list):
        if not all(isinstance(part, dict) and part.get("type") == "text" for part in content):
            raise FieldError("messages", "only text can be read, no other content")
        content = "".join(str(part.get("text", "")) for part in content)
    if not isinstance(content, str):
        raise FieldError("messages", "the content of a message must be a text")
    return Message(role, content)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and all(_is_whole(one) and one >= 0 for one in value)


def frame_of(kind: str, model: str) -> dict[str, Any]:
    """What stands around the choices of an answer, or of a piece of one."""
    name = "cmpl" if kind == "text_completion" else "chatcmpl"
    return {
        "id": f"{name}-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
    }


def usage_of(rows: Sequence[Row]) -> dict[str, int]:
    """Tokens of the prompts and of the answers."""
    sent, received = sum(len(row.ids) for row in rows), sum(len(row.tokens) for row in rows)
    return {
        "prompt_tokens": sent,
        "completion_tokens": received,
        "total_tokens": sent + received,
    }


def error_body(message: str, status: int, field: str) -> dict[str, Any]:
    """An error as OpenAI's protocol shows it."""
    kinds = {403: "PermissionDeniedError", 404: "NotFoundError"}
    kind = kinds.get(status, "InternalServerError" if status >= 500 else "BadRequestError")
    return {"error": {"message": message, "type": kind, "param": field or None, "code": status}}


def completion_choice(
    place: int, row: Row, scores: Sequence[TokenScore], asked: Asked, tokenizer: Any
) -> dict[str, Any]:
    """One answer of `/v1/completions`.

    Args:
        place: Place of its prompt.
        row: The prompt and its answer.
        scores: Of the prompt after its first token and of the answer; () where not needed.
        asked: The request.
        tokenizer: The model's.
    """
    echoed = tokenizer.decode(row.ids, skip_special_tokens=True) if asked.echo else ""
    choice: dict[str, Any] = {
        "index": place,
        "text": echoed + row.text,
        "finish_reason": row.finish,
        "stop_reason": None,
        "logprobs": None,
        "prompt_logprobs": None,
    }
    if asked.logprobs is not None:
        choice["logprobs"] = _logprobs(row, scores, asked, tokenizer)
    if asked.prompt_logprobs is not None:
        read = scores[: len(row.ids) - 1]
        shown = (_place(tokenizer, one, asked.prompt_logprobs) for one in read)
        choice["prompt_logprobs"] = [None, *shown]
    if asked.return_token_ids:
        choice |= {"token_ids": row.tokens, "prompt_token_ids": row.ids}
    return choice


def _place(tokenizer: Any, score: TokenScore, top: int) -> dict[str, Any]:
    """A token of the prompt, and the likeliest ones in its place, as vLLM shows them."""
    found = {token: (value, rank) for rank, (token, value) in enumerate(score.top[:top], 1)}
    found.setdefault(score.token, (score.logprob, score.rank))
    return {
        str(token): {"logprob": value, "rank": rank, "decoded_token": tokenizer.decode([token])}
        for token, (value, rank) in found.items()
    }


def _logprobs(
    row: Row, scores: Sequence[TokenScore], asked: Asked, tokenizer: Any
) -> dict[str, Any]:
    tokens = [*row.ids, *row.tokens] if asked.echo else row.tokens
    known = [None, *scores] if scores else [None] * len(tokens)
    places = known[len(known) - len(tokens) :]
    values: list[float | None] = list(row.logprobs)
    if asked.echo:
        read = places[: len(row.ids)]
        values = [None if one is None else one.logprob for one in read] + values
    texts = [tokenizer.decode([token]) for token in tokens]
    tops: list[dict[str, float] | None] = []
    for score, value, text in zip(places, values, texts, strict=True):
        best = score.top[: asked.logprobs] if score else ()
        named = {tokenizer.decode([token]): one for token, one in best}
        tops.append(None if value is None else named | {text: value})
    return {
        "tokens": texts,
        "token_logprobs": values,
        "top_logprobs": tops,
        "text_offset": [sum(map(len, texts[:place])) for place in range(len(texts))],
    }


def chat_choice(
    found: Completion, row: Row, scores: Sequence[TokenScore], asked: Asked, tokenizer: Any
) -> dict[str, Any]:
    """The answer of `/v1/chat/completions`; what was thought stands beside it.

    Args:
        found: The answer.
        row: The prompt and the answer's tokens.
        scores: As in `completion_choice`.
        asked: The request.
        tokenizer: The model's.
    """
    message = {"role": "assistant", "content": found.text}
    if found.reasoning:
        message["reasoning_content"] = found.reasoning
    choice = {"index": 0, "message": message, "finish_reason": row.finish, "logprobs": None}
    if asked.logprobs is None:
        return choice

    def shown(token: int, logprob: float) -> dict[str, Any]:
        text = tokenizer.decode([token])
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    new = scores[len(row.ids) - 1 :]
    tops = [one.top[: asked.logprobs] for one in new] or [()] * len(row.tokens)
    content = [
        shown(token, value) | {"top_logprobs": [shown(*pair) for pair in best]}
        for token, value, best in zip(row.tokens, row.logprobs, tops, strict=True)
    ]
    return {**choice, "logprobs": {"content": content}}
