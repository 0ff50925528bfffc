"""Rows of other people's preference data, in their usual forms, as prompt, chosen and rejected.

Read are TRL's four forms (the prompt in a column of its own or at the beginning of both
answers, as text or as messages), the mixed form of UltraFeedback-binarized, conversations
written as `Human:` and `Assistant:` text (HH-RLHF), and messages of `from` and `value`.
Where both answers repeat the conversation, it is the prompt, and it must be the same in
both. Nothing is guessed: a row that fits no form is left to the caller as wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...files.words import unspaced

_SPEAKER = re.compile(r"(?:\A|\n\n)\s*(Human|Assistant):")
_ROLES = {"human": "user", "Human": "user", "gpt": "assistant", "Assistant": "assistant"}
QUESTIONS = ("question", "instruction", "input", "query")
"""Columns that hold the prompt under another name; a person has to say so."""


class RowError(Exception):
    """A row that fits no form; the caller adds where it stands."""


def preference_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One row in the form of a pair: the prompt as text or messages, each answer as text.

    Raises:
        RowError: The answers do not share a conversation that could be the prompt.
    """
    prompt, chosen, rejected = (_plain(row.get(name)) for name in ("prompt", "chosen", "rejected"))
    prompt = _dialogue(prompt) if isinstance(prompt, str) else _turns(prompt)
    if not chosen or not rejected:
        return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    if isinstance(chosen, str) and isinstance(rejected, str):
        parsed = _dialogue(chosen), _dialogue(rejected)
        if prompt is None and isinstance(parsed[0], str) and isinstance(parsed[1], str):
            return _split(chosen, rejected)
        if not isinstance(prompt, str) or all(_asks(turns, prompt) for turns in parsed):
            chosen, rejected = parsed
    conversations = (_conversation(chosen), _conversation(rejected))
    head = _shared_head(*conversations)
    answers = [conversation[-1]["content"] for conversation in conversations]
    return {"prompt": _asked(prompt, head), "chosen": answers[0], "rejected": answers[1]}


def _plain(value: Any) -> Any:
    """Without the arrays that data frames hold lists in; nothing where a cell is missing."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def _dialogue(text: str) -> Any:
    """The turns of a text that begins with a speaker's name, else the text itself."""
    if not _SPEAKER.match(text) or "\n\nAssistant:" not in text:
        return text
    parts = _SPEAKER.split(text)
    turns: list[dict[str, str]] = []
    for speaker, said in zip(parts[1::2], parts[2::2], strict=True):
        role = _ROLES[speaker]
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += f"\n\n{said.strip()}"
        else:
            turns.append({"role": role, "content": said.strip()})
    # "Assistant:" with nothing after it asks for the answer.
    while turns and turns[-1] == {"role": "assistant", "content": ""}:
        turns.pop()
    return turns


def _asks(turns: Any, prompt: str) -> bool:
    """True if the turns are a conversation in which the prompt is asked."""
    return isinstance(turns, list) and {"role": "user", "content": prompt.strip()} in turns


def _turns(value: Any) -> Any:
    """Messages under the names `role` and `content`; anything else as it is."""
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        return value
    found = []
    for item in value:
        role, said = item.get("role", item.get("from")), item.get("content", item.get("value"))
        parts = said if isinstance(said, list) else []
        if parts and all(isinstance(p, Mapping) and p.get("type") == "text" for p in parts):
            said = "".join(str(part.get("text")) for part in parts)
        found.append({"role": _ROLES.get(str(role), role), "content": said})
    return found


def _conversation(value: Any) -> list[dict[str, Any]]:
    """An answer as messages that end with the assistant's."""
    if isinstance(value, str):
        return [{"role": "assistant", "content": value}]
    turns = _turns(value)
    if not isinstance(turns, list) or not turns or not isinstance(turns[-1], dict):
        raise RowError(f"an answer is neither text nor messages, got {value!r:.60}")
    if turns[-1]["role"] != "assistant":
        raise RowError(f"an answer ends with a message of role {turns[-1]['role']!r}")
    return turns


def _shared_head(chosen: list[dict[str, Any]], rejected: list[dict[str, Any]]) -> list[Any]:
    """What stands before the last message of both; one that has nothing there just answers."""
    heads = [turns[:-1] for turns in (chosen, rejected) if len(turns) > 1]
    if len(heads) == 2 and heads[0] != heads[1]:
        raise RowError("the two conversations differ before their last answer")
    return heads[0] if heads else []


def _asked(prompt: Any, head: list[Any]) -> Any:
    """The prompt, from its column and from the conversation that both answers repeat."""
    if not head:
        return prompt
    if any(message["role"] == "user" for message in head):
        if not isinstance(prompt, list) or head[: len(prompt)] == prompt:
            return head
        if prompt[-len(head) :] == head:
            return prompt
        if head[0]["role"] != "assistant":
            raise RowError("the prompt and the conversation that the answers repeat differ")
        return [*prompt, *head]
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt or []
    return [*head, *asked]


def _split(chosen: str, rejected: str) -> dict[str, str]:
    """Two texts whose common beginning is the prompt; no word is cut in two."""
    length = min(len(chosen), len(rejected))
    cut = next((i for i in range(length) if chosen[i] != rejected[i]), length)
    while cut and not (_boundary(chosen, cut) and _boundary(rejected, cut)):
        cut -= 1
    prompt = chosen[:cut].strip()
    if not prompt:
        raise RowError("no column prompt, and the answers share no beginning that could be it")
    return {"prompt": prompt, "chosen": chosen[cut:].strip(), "rejected": rejected[cut:].strip()}


def _boundary(text: str, cut: int) -> bool:
    around = text[cut - 1 : cut + 1]
    return len(around) < 2 or not around.isalnum() or unspaced(around)
