"""Reads the fields of one JSON line and notes every problem with its row."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, cast, get_args

from ..errors import Problem
from ..files.lines import json_fault
from ..files.validation import suggestion
from ..files.yaml_document import is_placeholder
from ..llm.message import Message, Speaker

MAX_MESSAGE: Final = 20_000
"""Most characters of one message: a prompt is a question, not a document."""

_HALF = re.compile("[\ud800-\udfff]")
_SLUG = re.compile(r"[a-z0-9]+([_.-][a-z0-9]+)*")


@dataclass(slots=True)
class Row:
    """A line being read: where it is, and what is wrong with it so far.

    Attributes:
        file: Path as problems should show it.
        line: 1-based line.
        problems: Found so far; a row with any of them yields no prompt.
    """

    file: str
    line: int
    problems: list[Problem] = field(default_factory=list)

    def report(self, code: str, message: str, fix: str = "") -> None:
        """Adds one error at this row's place."""
        self.problems.append(Problem(code, "error", self.file, self.line, message, fix))


_TURNS = "write a list of turns, each with a role and its content."
_LIST = "put it in brackets: a [ before it and a ] behind it."


class _DuplicateKeyError(ValueError):
    """A JSON object holds the same key twice, so one value would be lost."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKeyError(key)
        found[key] = value
    return found


def decode(text: str, row: Row) -> dict[str, object] | None:
    """The line as a JSON object, or None and a problem."""
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except _DuplicateKeyError as error:
        row.report("P002", f"key {error.args[0]!r} appears twice.", "keep one of them.")
        return None
    except (ValueError, RecursionError) as error:
        reason, fix = json_fault(text, error)
        row.report("P002", f"not valid JSON: {reason}.", f"{fix}.")
        return None
    if not isinstance(value, dict):
        row.report(
            "P002",
            f"expected a JSON object, got {_shown(value)}.",
            "write one JSON object per line.",
        )
        return None
    return cast("dict[str, object]", value)


def check_keys(
    data: dict[str, object], required: Sequence[str], known: Sequence[str], row: Row
) -> None:
    """Reports keys that are unknown or missing."""
    for key in data:
        if key not in known:
            row.report("P003", f"unknown key {key!r}.", suggestion(key, known))
    for key in required:
        if key not in data:
            row.report("P004", f"key {key!r} is missing.", "add it.")


def _shown(value: object) -> str:
    """A value for a message; lists and objects by size, since they may nest deep."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)} keys"
    if value is None or isinstance(value, bool):
        return {None: "nothing (null)", True: "true", False: "false"}[value]
    return f"{value!r:.60}"


def read_text(data: dict[str, object], key: str, row: Row) -> str:
    """The value under `key` if it is text; "" and a problem if it is anything else."""
    value = data.get(key, "")
    if not isinstance(value, str):
        row.report("P005", f"{key!r} must be text, got {_shown(value)}.", "write a text in quotes.")
        return ""
    if is_placeholder(value):
        row.report("P014", f"{key!r} is still to be written: {value!r:.60}.", "write it.")
        return ""
    if key in data and not value.strip():
        row.report("P005", f"{key!r} is empty.", "fill it in.")
        return ""
    if _HALF.search(value):
        # JSON can spell half a character; no tokenizer or store can take it.
        row.report("P005", f"{key!r} holds half a surrogate pair.", "write the whole character.")
        return ""
    return value


def read_slug(data: dict[str, object], key: str, row: Row) -> str:
    """The value under `key` if it is a slug; "" and a problem if it is anything else."""
    value = read_text(data, key, row)
    if value and not _SLUG.fullmatch(value):
        row.report(
            "P005",
            f"{key!r} is {value!r:.60}.",
            "use lower-case letters, digits and single - _ or . between them.",
        )
        return ""
    return value


def read_choice(data: dict[str, object], key: str, known: Collection[str], row: Row) -> str:
    """The value under `key` if it is one of the known words; "" and a problem if not."""
    value = read_text(data, key, row)
    if value and value not in known:
        row.report("P006", f"unknown {key} {value!r:.60}.", suggestion(value, known))
        return ""
    return value


def _message(value: object, row: Row) -> Message | None:
    if not isinstance(value, dict):
        row.report("P005", f"a message must be an object, got {_shown(value)}.")
        return None
    before = len(row.problems)
    check_keys(value, ("role", "content"), ("role", "content"), row)
    speaker = read_choice(value, "role", get_args(Speaker), row)
    content = read_text(value, "content", row)
    if len(content) > MAX_MESSAGE:
        row.report(
            "P005",
            f"a message has {len(content)} characters; at most {MAX_MESSAGE} are read.",
            "shorten it.",
        )
    if len(row.problems) > before:
        return None
    return Message(cast("Speaker", speaker), content)


def read_messages(data: dict[str, object], row: Row) -> tuple[Message, ...]:
    """The conversation: an optional system message, then user and assistant in turn."""
    value = data.get("messages")
    if not isinstance(value, list) or not value:
        if "messages" in data:
            row.report("P005", f"'messages' must be a non-empty list, got {_shown(value)}.", _TURNS)
        return ()
    found = [_message(item, row) for item in value]
    messages = tuple(message for message in found if message is not None)
    if len(messages) < len(found):
        return ()
    turns = [message.role for message in messages]
    if turns[0] == "system":
        turns = turns[1:]
    expected = [("user", "assistant")[index % 2] for index in range(len(turns))]
    if turns != expected or len(turns) % 2 == 0:
        row.report(
            "P005",
            f"the speakers are {', '.join(message.role for message in messages)}.",
            "after at most one system message, user and assistant take turns; the user is last.",
        )
        return ()
    return messages


def read_cues(data: dict[str, object], known: Collection[str], row: Row) -> tuple[str, ...]:
    """The cue ids of a row, each known and listed once."""
    value = data.get("cues", [])
    if not isinstance(value, list) or not all(isinstance(cue, str) for cue in value):
        row.report("P005", f"'cues' must be a list of texts, got {_shown(value)}.", _LIST)
        return ()
    for cue in value:
        if cue not in known:
            row.report("P006", f"unknown cue {cue!r:.60}.", suggestion(cue, known))
        elif value.count(cue) > 1:
            row.report("P005", f"cue {cue!r} is listed more than once.", "list it once.")
            break
    return tuple(value)
