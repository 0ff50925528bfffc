"""Reads JSON a stranger wrote, and says at which line it is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ...errors import ConfigurationError, Problem

MAX_BYTES = 50_000_000
Written = tuple[str, int, str]


def fault(file: str, line: int, message: str, fix: str) -> ConfigurationError:
    """One problem with an imported file."""
    return ConfigurationError([Problem("I001", "error", file, line, message, fix)])


def read_source(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigurationError: It is missing, larger than 50 MB or not UTF-8.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            message = f"the file has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read"
            raise fault(str(path), 0, message, "split it")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise fault(str(path), 0, "not UTF-8 text", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise fault(str(path), 0, f"cannot be read: {reason}", "check the path") from None


def parse_json(text: str, file: str) -> object:
    """JSON as plain data.

    Raises:
        ConfigurationError: It is not JSON, or nested too deep.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"not valid JSON: {error.msg}"
        raise fault(file, error.lineno, message, "check the commas and quotes there") from None
    except (RecursionError, ValueError) as error:
        message = f"not readable as JSON: {str(error)[:80]}"
        raise fault(file, 0, message, "check the file") from None


def items(data: object, file: str, what: str) -> list[Mapping[str, object]]:
    """The objects of a list.

    Raises:
        ConfigurationError: It is no list of objects, or empty.
    """
    if not isinstance(data, list) or not data:
        raise fault(file, 0, f"no list of {what}", f"the file must hold a list of {what}")
    for number, item in enumerate(data, start=1):
        if not isinstance(item, dict):
            message = f"item {number} is {type(item).__name__}, not an object"
            raise fault(file, 0, message, f"every item of the list is one of {what}")
    return list(data)


def text_of(item: Mapping[str, object], key: str, file: str, number: int) -> str:
    """A text that must be there.

    Raises:
        ConfigurationError: It is missing, empty or no text.
    """
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        message = f"item {number}: `{key}` is {value!r:.60}, not a text"
        raise fault(file, 0, message, f"write the text of `{key}`")
    return value


def unknown_keys(found: list[Mapping[str, object]], known: set[str]) -> tuple[str, ...]:
    """A sentence on the keys of items that are not kept, or nothing."""
    extra = sorted({str(key) for item in found for key in item} - known)
    return (f"keys that mean nothing here: {', '.join(extra)}",) if extra else ()


def dump(data: object) -> str:
    """Indented JSON text with a final line break."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
