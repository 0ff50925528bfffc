"""JSON as lines: one value a line of a file, or one dotted name for each nested value."""

from __future__ import annotations

import json
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
