"""JSON as lines: one value a line of a file, or one dotted name for each nested value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a text that are not blank, each with its 1-based number.

    Only a line feed ends a line: a JSON text may hold U+2028, where `splitlines` cuts.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def json_lines(
    text: str, wrong: Callable[[int, Exception], object] | None = None
) -> Iterator[tuple[int, Any]]:
    """The value of every line that is not blank, with the line's number.

    Args:
        text: JSON lines.
        wrong: Told the number of each line that is not JSON, and why (`ValueError`, or
            `RecursionError` for one nested too deep); reading goes on. None: it is raised.
    """
    for number, line in numbered(text):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            if wrong is None:
                raise
            wrong(number, error)
            continue
        yield number, value


_ONE_OBJECT = "write one JSON object on each line, from { to }"


def json_fault(line: str, error: Exception) -> tuple[str, str]:
    """What is wrong with a line that should be a JSON object, and what to do, in plain words."""
    text = line.strip()
    if isinstance(error, RecursionError):
        return "nested too deep", _ONE_OBJECT
    at = error.pos if isinstance(error, json.JSONDecodeError) else 0
    said = error.msg if isinstance(error, json.JSONDecodeError) else ""
    quote = next((sign for sign in "“”„«»" if sign in text[max(0, at - 2) : at + 2]), "")
    near = text[max(0, at - 12) : at + 12]
    if text[:1] in ("#", "/"):
        return f"a comment: {text[:30]}", "remove it; JSON has no comments"
    if quote:
        return f"typographic quotes ({quote}) near {near}", 'write straight quotes: "'
    if "Extra data" in said:
        return "a second object on the same line", "put each on a line of its own"
    if text in ("{", "["):
        return f"this line holds only `{text}`", "write each object on one line, without a list"
    if text[:1] == "{" and "'" in text[1:3]:
        return "single quotes (') around names", 'write double quotes: "'
    if re.search(r",\s*}$", text) and at >= len(text) - 2:
        return "a comma before the closing brace", "remove the comma"
    if text.count('"') % 2:
        return f'a quote (") is not closed near {near}', 'put the missing quote (") there'
    if text[:1] == "{" and text[-1:] != "}":
        return "the object is cut off before its end", "put a brace (}) at its end"
    if "delimiter" in said:
        return f"a comma is missing near {near}", "put a comma between the two"
    if text[:1] in ("-", "["):
        kind = "YAML" if text[:1] == "-" else "a list"
        return f"this is {kind}, not a line of JSON: {text[:30]}", _ONE_OBJECT
    return f"not JSON: {text[:40]}", _ONE_OBJECT


def flat(data: object, prefix: str = "", *, lists: bool = False) -> dict[str, Any]:
    """Nested mappings as dotted names; empty ones stay.

    Args:
        data: Plain data.
        prefix: What every name begins with.
        lists: Whether entries of lists get names too, such as `steps[0]`.
    """
    inner: list[tuple[str, object]] = []
    if isinstance(data, dict):
        inner = [(f"{prefix}.{key}" if prefix else str(key), data[key]) for key in data]
    elif lists and isinstance(data, list):
        inner = [(f"{prefix}[{index}]", value) for index, value in enumerate(data)]
    if not inner:
        return {prefix: data}
    result: dict[str, Any] = {}
    for name, value in inner:
        result |= flat(value, name, lists=lists)
    return result
