"""From a conversation to the text a local model reads, by its own chat template.

The rule: an answer begins where the template puts the first character of an answer that
somebody gives it. Generation, prefills, scoring and training all begin there, so that what
is trained is what was written. For most templates that is the generation prompt. Where the
template writes something in between (an empty thought, a channel, a space) it is read, not
trained, and a prefill never lands inside a thought. `thinking="on"` alone begins at the
generation prompt, so that the model may think first.

A template that asks for today's date gets `FIXED_DATE`, so that the same conversation is
the same tokens on every day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal

from ...errors import NotSupportedError
from ..message import Message

Thinking = Literal["auto", "on", "off"]

FIXED_DATE: Final = datetime(2024, 7, 26)
"""What templates that ask for the date are told: the date Llama's templates fall back to."""

_FIELD = "chat_template_kwargs"
_THOUGHT = re.compile(r"\s*(?:<\W*\w*:?think\w*\W*>|\[THINK\])?\s*", re.IGNORECASE)
_CLOCK = re.compile(r"strftime_now\(\s*(['\"])(.*?)\1\s*\)")
_PROBE = (Message("user", "How?"),)


@dataclass(frozen=True, slots=True)
class Opening:
    """Where an answer begins.

    Attributes:
        text: All that is read before its first character.
        after: What the template writes once the answer has ended.
        trainable: False where the template shows the prompt differently once an answer
            follows; `text` is then the generation prompt.
    """

    text: str
    after: str
    trainable: bool


def template_arguments(tokenizer: Any, thinking: Thinking = "auto") -> dict[str, Any]:
    """What the template is given beside the conversation.

    Args:
        tokenizer: `chat_template_kwargs` of its `tokenizer_config.json` is passed on, so
            that every command that reads the model reads the same.
        thinking: `on` and `off` set `enable_thinking`; `auto` leaves the template's default.
    """
    given = dict(getattr(tokenizer, "init_kwargs", {}).get(_FIELD) or {})
    if thinking != "auto":
        given |= {"enable_thinking": thinking == "on", "thinking": thinking == "on"}
    return given


def opening_of(tokenizer: Any, messages: Sequence[Message], thinking: Thinking = "auto") -> Opening:
    """Renders a conversation up to the first character of its answer.

    Raises:
        NotSupportedError: The template refuses the conversation.
    """
    given = template_arguments(tokenizer, thinking)
    mark = _unused("".join(message.content for message in messages))
    answered = _render(tokenizer, [*messages, Message("assistant", mark)], given, prompt=False)
    before, found, after = answered.rpartition(mark)
    prompt = _render(tokenizer, messages, given, prompt=True)
    common = common_start(prompt, before)
    if not found or not _THOUGHT.fullmatch(prompt[common:]):
        return Opening(prompt, "", trainable=False)
    return Opening(before, after, trainable=True)


def check_trainable(tokenizer: Any, messages: Sequence[Message]) -> None:
    """Refuses a template that shows a prompt differently once an answer follows.

    Raises:
        NotSupportedError: It does, or it refuses the conversation.
    """
    if not opening_of(tokenizer, messages).trainable:
        raise NotSupportedError(
            "the model's chat template renders the prompt differently once an answer follows, "
            "so the model would be trained on text it never sees. Use a template whose prompt "
            "is a prefix of prompt and answer."
        )


def render_chat(
    tokenizer: Any, messages: Sequence[Message], thinking: Thinking = "auto", prefill: str = ""
) -> str:
    """The conversation in the tokenizer's own chat template, up to what the model writes.

    The template decides everything, default system message included.

    Args:
        tokenizer: The model's.
        messages: The conversation; the last message is the user's.
        thinking: `on` ends at the generation prompt, where there is no prefill; else the
            answer itself follows.
        prefill: What the answer begins with.

    Raises:
        NotSupportedError: As `opening_of`.
    """
    opening = opening_of(tokenizer, messages, thinking)
    if thinks_first(messages, thinking, prefill):
        return _render(tokenizer, messages, template_arguments(tokenizer, thinking), prompt=True)
    return opening.text + prefill


def thinks_first(messages: Sequence[Message], thinking: Thinking, prefill: str) -> bool:
    """True if the model may write thoughts before its answer."""
    return thinking == "on" and bool(messages) and not prefill


def between_turns(tokenizer: Any) -> tuple[str, str]:
    """What the template writes after a last answer, and between an answer and the next turn."""
    after = opening_of(tokenizer, _PROBE).after
    mark, other = "answer0mark", "question0mark"
    chat = [*_PROBE, Message("assistant", mark), Message("user", other)]
    try:
        text = _render(tokenizer, chat, template_arguments(tokenizer), prompt=False)
    except NotSupportedError:
        return after, after
    return after, text.partition(mark)[2].partition(other)[0]


def segments(
    tokenizer: Any, messages: Sequence[Message], thinking: Thinking = "auto"
) -> list[tuple[int, int]] | None:
    """Where the messages' contents stand in `opening_of(...).text`: (start, end) each.

    None where that cannot be told: the template takes contents apart, or leaves some out.
    """
    real = opening_of(tokenizer, messages, thinking).text
    marks = [f"content{number}mark" for number in range(len(messages))]
    swapped = [Message(m.role, mark) for m, mark in zip(messages, marks, strict=True)]
    try:
        plain = opening_of(tokenizer, swapped, thinking).text
    except NotSupportedError:
        return None
    if any(plain.count(mark) != 1 for mark in marks):
        return None
    order = sorted(range(len(marks)), key=lambda number: plain.index(marks[number]))
    for trim in (str, str.strip):
        text, rest, spans = "", plain, []
        for number in order:
            before, _, rest = rest.partition(marks[number])
            content = trim(messages[number].content)
            spans.append((len(text) + len(before), len(text) + len(before) + len(content)))
            text += before + content
        if text + rest == real:
            return spans
    return None


def depends_on_clock(tokenizer: Any) -> bool:
    """True where the template asks what day it is."""
    return "strftime_now" in str(tokenizer.chat_template)


def refuses_system(tokenizer: Any) -> bool:
    """True where the template takes a conversation, but not under a system message."""
    opening_of(tokenizer, _PROBE)
    try:
        opening_of(tokenizer, (Message("system", "Be kind."), *_PROBE))
    except NotSupportedError:
        return True
    return False


def skipped_opening(tokenizer: Any) -> tuple[str, str]:
    """What the template writes between generation prompt and answer, and the prompt's own end.

    Both "" for most templates. ("<think>...", "") where an empty thought is read before an
    answer, ("", "<think>") where the generation prompt opens a thought that answers lack.
    """
    prompt = _render(tokenizer, _PROBE, template_arguments(tokenizer), prompt=True)
    before = opening_of(tokenizer, _PROBE).text
    common = common_start(prompt, before)
    return before[common:], prompt[common:]


def _render(
    tokenizer: Any, messages: Sequence[Message], given: Mapping[str, Any], *, prompt: bool
) -> str:
    from jinja2 import TemplateError

    try:
        template = _dated(tokenizer)
        parts = _reads_parts(tokenizer, template)
        return _applied(tokenizer, template, messages, given, prompt=prompt, parts=parts)
    except (TemplateError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise NotSupportedError(_refusal(messages, error)) from error


def _applied(
    tokenizer: Any,
    template: str,
    messages: Sequence[Message],
    given: Mapping[str, Any],
    *,
    prompt: bool,
    parts: bool,
) -> str:
    chat = [
        {"role": m.role, "content": [{"type": "text", "text": m.content}] if parts else m.content}
        for m in messages
    ]
    text = tokenizer.apply_chat_template(
        chat, chat_template=template, tokenize=False, add_generation_prompt=prompt, **given
    )
    return str(text)


def _dated(tokenizer: Any) -> str:
    """The template with the fixed date in the place of the clock."""
    template = str(tokenizer.get_chat_template())
    dated = _CLOCK.sub(lambda call: json.dumps(FIXED_DATE.strftime(call.group(2))), template)
    if "strftime_now(" in dated:
        raise ValueError("it asks for the date in a form that cannot be fixed")
    return dated


@lru_cache(maxsize=16)
def _reads_parts(tokenizer: Any, template: str) -> bool:
    """True for templates of models that also see: their contents are lists of parts."""
    from jinja2 import TemplateError

    chat = (*_PROBE, Message("assistant", "answer0mark"))
    for parts in (False, True):
        try:
            text = _applied(tokenizer, template, chat, {}, prompt=False, parts=parts)
        except (TemplateError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if all(message.content in text for message in chat):
            return parts
    return False


def _refusal(messages: Sequence[Message], error: Exception) -> str:
    said = str(error).strip().split("\n")[0] or type(error).__name__
    roles = ", ".join(message.role for message in messages)
    way_out = (
        "put the system text at the beginning of the first user message, or save a "
        "chat_template.jinja that takes a system message beside the model"
        if any(message.role == "system" for message in messages)
        else "save a chat_template.jinja that takes it beside the model"
    )
    return (
        f"the model's chat template refuses a conversation of the roles {roles}: {said}. Either "
        f"{way_out}."
    )


def common_start(one: str, other: str) -> int:
    """Characters that two texts have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _unused(text: str) -> str:
    number = 0
    while f"answer{number}mark" in text:
        number += 1
    return f"answer{number}mark"


def parse_json(text: str) -> object:
    """The value of a JSON text, or None where it is not one."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return value
