"""From a request to chat messages and back: prefill and schema where the API has neither."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ..neutralise import neutralise
from ..request import Request

_PREFILL_RULE: Final = (
    "\n\nBegin your reply with exactly the text between the marks, without the marks, "
    "and continue it:\n<<<\n{prefill}\n>>>"
)
_SCHEMA_RULE: Final = (
    "\n\nReply with one JSON value, nothing else, that fits this schema:\n{schema}"
)
_REPAIR: Final = (
    "That could not be used: {problem}. Reply again with the JSON value only, "
    "and make it fit the schema."
)
_FENCE: Final = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_SHORTEST_TAIL: Final = 8  # characters of a prefill's end that count as a repetition
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def chat_messages(request: Request) -> list[tuple[str, str]]:
    """(role, text) of each message; prefill and schema become instructions at the end."""
    messages: list[tuple[str, str]] = [
        (message.role, message.content) for message in request.messages
    ]
    rule = _SCHEMA_RULE.format(schema=request.schema) if request.schema else ""
    if request.prefill.strip():
        rule += _PREFILL_RULE.format(prefill=neutralise(request.prefill))
    if rule:
        role, content = messages[-1]
        messages[-1] = (role, content + rule)
    return messages


def repair_messages(request: Request, answer: str, problem: str) -> list[tuple[str, str]]:
    """The conversation once more, with what was wrong with the first answer."""
    return [
        *chat_messages(request),
        ("assistant", answer or "(nothing)"),
        ("user", _REPAIR.format(problem=problem)),
    ]


def without_prefill(text: str, prefill: str) -> str:
    """What the model wrote after the prefill, whether it repeated all, its end, or none of it.

    White space and case of the repetition may differ. The space or line break that
    follows the prefill stays, as it does with a local model.
    """
    if not prefill.strip():
        return text
    prefill = neutralise(prefill)  # as it was shown
    start = text.lstrip(" \n\t\"'`<")
    words = [re.escape(word) for word in prefill.split()]
    for first in range(len(words)):
        tail = r"\s*".join(words[first:])
        if first and len("".join(prefill.split()[first:])) < _SHORTEST_TAIL:
            break
        found = re.match(rf"{tail}(?!\w)", start, re.IGNORECASE)
        if found is not None:
            return start[found.end() :]
    return f" {text.lstrip()}" if not prefill[-1].isspace() else text.lstrip()


def cut_at_stop(text: str, stops: tuple[str, ...]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    lead = len(text) - len(text.lstrip())  # a stop before the first word ends nothing
    cuts = [at for stop in stops if stop and (at := text.find(stop, lead)) >= 0]
    return (text[: min(cuts)], True) if cuts else (text, False)


def parse_answer(text: str, schema: str) -> tuple[object, str]:
    """The JSON value in a text and "", or None and what is wrong with it."""
    fenced = _FENCE.search(text)
    starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    candidates = [text, fenced.group(1) if fenced else "", text[min(starts) :] if starts else ""]
    for candidate in candidates:
        if not candidate.strip():
            continue
        try:
            value, end = json.JSONDecoder().raw_decode(candidate.strip())
        except ValueError:
            continue
        if candidate is text and candidate.strip()[end:].strip():
            continue
        problem = schema_problem(value, json.loads(schema))
        return (None, problem) if problem else (value, "")
    return None, "it holds no JSON value"


def schema_problem(value: object, schema: Any, where: str = "the value") -> str:
    """What does not fit, or "".

    Looks at type, enum, required, properties, additionalProperties (only `false`) and
    items. Not covered: all other keywords of JSON schema.
    """
    if not isinstance(schema, dict):
        return ""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"{where} is no {' or '.join(kinds)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is none of {json.dumps(schema['enum'])}"
    if isinstance(value, dict):
        return _object_problem(value, schema, where)
    if isinstance(value, list):
        inner = (
            schema_problem(v, schema.get("items"), f"{where}[{i}]") for i, v in enumerate(value)
        )
        return next((problem for problem in inner if problem), "")
    return ""


def _object_problem(value: dict[str, Any], schema: dict[str, Any], where: str) -> str:
    properties = schema.get("properties", {})
    for key in schema.get("required", ()):
        if key not in value:
            return f"{where} lacks {key!r}"
    for key, inner in value.items():
        if key not in properties and schema.get("additionalProperties") is False:
            return f"{where} has an unknown key {key!r}"
        problem = schema_problem(inner, properties.get(key), f"{where}.{key}")
        if problem:
            return problem
    return ""


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES.get(kind, (object,)))
