"""The preference pair: one record with named fields, traceable to a line of YAML."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from ..errors import Problem
from ..llm.message import Message, Speaker
from ..llm.request import has_half_characters
from ..prompts.prompt import Role

P_BY_CONSTRUCTION = 0.95
"""`p_chosen` of a label that follows from how the pair was built, not from a judge."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One training row.

    Attributes:
        prompt_id: Id of the prompt in its set.
        prompt: The conversation both answers follow.
        chosen: The better answer.
        rejected: The answer that shows the failure mode.
        p_chosen: Probability that `chosen` is better, in [0.5, 1].
        weight: Relative weight in the loss, above 0.
        principles: Full ids of the principles applied.
        failure_mode: The failure mode `rejected` shows (for a twin prompt the
            opposite of the prompt's own).
        role: The prompt's role.
        builder: Name of the builder that made it.
        round: 0-based round.
        calls: Step (`draft`, `critique`, `revision`, ...) -> cache keys of its calls.
        label: What it rests on: `construction`, `comparison`, or `check` where the prompt's
            own check says the same as the construction.
    """

    prompt_id: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    p_chosen: float
    weight: float
    principles: tuple[str, ...]
    failure_mode: str
    role: Role
    builder: str
    round: int
    calls: dict[str, tuple[str, ...]]
    label: str = "construction"

    @property
    def id(self) -> str:
        """12 hex digits of a SHA-256 over builder, round, prompt and both answers."""
        payload = json.dumps(
            [self.builder, self.round, self.prompt_id, self.chosen, self.rejected],
            ensure_ascii=False,
        )
        return hashlib.sha256(payload.encode()).hexdigest()[:12]


def pair_text(pair: Pair, longest: int = 240) -> str:
    """A pair in four short lines: what it is about, what was asked, and both answers."""

    def cut(text: str) -> str:
        flat = " ".join(text.split())
        return flat if len(flat) <= longest else flat[: longest - 3] + "..."

    about = (pair.failure_mode, pair.role.replace("_", " "), *pair.principles)
    return (
        f"  {pair.id}  {', '.join(about)}; label by {pair.label}, {pair.p_chosen:.2f}\n"
        f"    asked:    {cut(pair.prompt[-1].content)}\n"
        f"    chosen:   {cut(pair.chosen)}\n"
        f"    rejected: {cut(pair.rejected)}"
    )


FIELDS: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(Pair))
REQUIRED: tuple[str, ...] = ("prompt", "chosen", "rejected")
LABELS: tuple[str, ...] = ("construction", "comparison", "check")


class _FaultError(Exception):
    """One wrong value; the caller adds file and line."""


def to_record(pair: Pair) -> dict[str, Any]:
    """A pair as plain JSON values: `id` first, then its fields in order."""
    record: dict[str, Any] = {"id": pair.id}
    for name in FIELDS:
        record[name] = getattr(pair, name)
    record["prompt"] = [{"role": m.role, "content": m.content} for m in pair.prompt]
    record["principles"] = list(pair.principles)
    record["calls"] = {step: list(keys) for step, keys in sorted(pair.calls.items())}
    return record


def from_record(
    record: Mapping[str, Any], *, file: str, line: int, strict: bool = True
) -> tuple[Pair | None, list[Problem]]:
    """Reads one record.

    Args:
        record: Field -> value. `prompt` may be a string or a list of messages,
            `chosen` and `rejected` a string or a list with one assistant message;
            all other fields are optional.
        file: Where it came from, for messages.
        line: 1-based line or row.
        strict: Refuse unknown fields and an `id` that does not fit the content.

    Returns:
        The pair and no problems, or None and every problem found.
    """
    problems: list[Problem] = []

    def fault(message: str, fix: str) -> None:
        problems.append(Problem("D001", "error", file, line, message, fix))

    for name in REQUIRED:
        if record.get(name) is None:
            fault(f"no {name!r}", f"every pair needs {', '.join(REQUIRED)}")
    for name in sorted(record.keys() - {"id", *FIELDS}) if strict else ():
        near = difflib.get_close_matches(name, FIELDS, n=1)
        other = "remove it, or read the file with `Pairs.from_dataset`, which ignores it"
        fault(f"unknown field {name!r}", f"did you mean {near[0]!r}?" if near else other)
    values: dict[str, Any] = {}
    for name, read in _READERS.items():
        if name in record and record[name] is not None:
            try:
                values[name] = read(record[name])
            except _FaultError as error:
                fault(f"{name}: {error}", _FIXES.get(name, "see the fields of a pair in the docs"))
    if problems:
        return None, problems
    pair = Pair(**{**_defaults(line), **values})
    if strict and record.get("id") not in (None, pair.id):
        fault(
            f"id {record['id']!r} does not fit the content, which gives {pair.id!r}",
            "if the pair was edited on purpose, remove its id",
        )
        return None, problems
    return pair, []


def _defaults(line: int) -> dict[str, Any]:
    """What a foreign preference row does not say."""
    return {
        "prompt_id": f"row-{line}",
        "p_chosen": 1.0,
        "weight": 1.0,
        "principles": (),
        "failure_mode": "",
        "role": "at_risk",
        "builder": "external",
        "round": 0,
        "calls": {},
    }


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _FaultError(f"expected text, got {value!r:.60}")
    return _any_text(value)


def _any_text(value: Any) -> str:
    if not isinstance(value, str):
        raise _FaultError(f"expected text, got {value!r:.60}")
    if has_half_characters(value):  # JSON can spell it, but no file, hash or tokenizer takes it
        raise _FaultError("the text holds half of a character (an emoji cut in two)")
    return value


def _messages(value: Any) -> tuple[Message, ...]:
    if isinstance(value, str):
        return (Message("user", _text(value)),)
    if not isinstance(value, list) or not value:
        raise _FaultError(f"expected text or a list of messages, got {value!r:.60}")
    messages = []
    for item in value:
        if not isinstance(item, Mapping) or item.get("role") not in get_args(Speaker):
            raise _FaultError(f"expected {{role, content}} with a known role, got {item!r:.60}")
        messages.append(Message(cast(Speaker, item["role"]), _text(item.get("content"))))
    if messages[-1].role == "assistant":
        raise _FaultError("the last message is the assistant's, so nothing is asked")
    return tuple(messages)


def _answer(value: Any) -> str:
    if isinstance(value, list):
        if len(value) != 1 or not isinstance(value[0], Mapping):
            raise _FaultError(f"expected one assistant message, got {len(value)}")
        if value[0].get("role") != "assistant":
            raise _FaultError(f"expected an assistant message, got role {value[0].get('role')!r}")
        value = value[0].get("content")
    return _text(value)


def _number(value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _FaultError(f"expected a number, got {value!r:.60}")
    if not low <= value <= high:
        raise _FaultError(f"expected a number from {low} to {high}, got {value}")
    return float(value)


def _weight(value: Any) -> float:
    number = _number(value, 0.0, math.inf)
    if number == 0:
        raise _FaultError("expected a number above 0, got 0")
    return number


def _round(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _FaultError(f"expected a whole number from 0, got {value!r:.60}")
    return value


def _one_of(allowed: tuple[str, ...]) -> Any:
    def read(value: Any) -> str:
        if value not in allowed:
            raise _FaultError(f"expected one of {', '.join(allowed)}, got {value!r:.60}")
        return str(value)

    return read


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise _FaultError(f"expected a list of texts, got {value!r:.60}")
    return tuple(_any_text(item) for item in value)


def _calls(value: Any) -> dict[str, tuple[str, ...]]:
    if isinstance(value, str):  # the column of a data set holds it as JSON text
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise _FaultError(f"expected a mapping of step to keys, got {value!r:.60}") from error
    if not isinstance(value, Mapping):
        raise _FaultError(f"expected a mapping of step to keys, got {value!r:.60}")
    named = [(_any_text(str(step)), keys) for step, keys in value.items()]
    return {step: _strings(keys) for step, keys in named if keys is not None}


_READERS: dict[str, Any] = {
    "prompt_id": _text,
    "prompt": _messages,
    "chosen": _answer,
    "rejected": _answer,
    "p_chosen": lambda value: _number(value, 0.5, 1.0),
    "weight": _weight,
    "principles": _strings,
    "failure_mode": _any_text,
    "role": _one_of(get_args(Role)),
    "builder": _text,
    "round": _round,
    "calls": _calls,
    "label": _one_of(LABELS),
}
_FIXES = {
    "p_chosen": "it is the probability that `chosen` is better; below 0.5, swap the answers",
    "prompt": "give the user's text, or messages that end with the user's",
    "chosen": "give the answer's text, or one assistant message",
    "rejected": "give the answer's text, or one assistant message",
}
