"""Reads JSON from outside the project and reports errors with their line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ...errors import ConfigurationError
from ...files.lines import json_lines

MAX_BYTES = 50_000_000
_JSON = re.compile(r"\s*(?:\{|\[\s*(?:[\[{\"\]]|$))")
_SURROGATE = re.compile("[\ud800-\udfff]")
fault = partial(ConfigurationError.one, "I001")
"""One problem with an imported file."""


def read_source(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigurationError: It is missing, larger than 50 MB or not UTF-8.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            message = f"the file has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read"
            raise fault(path, message, "split it")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise fault(path, "not UTF-8 text", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise fault(path, f"cannot be read: {reason}", "check the path") from None


def is_json(text: str) -> bool:
    """True where a text begins as JSON; a Markdown line such as `[a link](...)` does not."""
    return _JSON.match(text) is not None


def parse_json(text: str, file: str) -> object:
    """JSON, or JSON lines as a list, as plain data.

    Raises:
        ConfigurationError: It is neither, is nested too deep, or holds half a
            character (a lone surrogate), which no file could be written with.
    """
    try:
        data: object = json.loads(text)
    except json.JSONDecodeError as error:
        if not (error.msg == "Extra data" and text.lstrip().startswith("{")):
            raise _invalid(file, error.lineno, error) from None
        data = _json_lines(text, file)
    except (RecursionError, ValueError) as error:
        raise _unreadable(file, 0, error) from None
    if "\\u" in text and _SURROGATE.search(json.dumps(data, ensure_ascii=False)):
        message = "an escape such as \\ud83d stands alone: half a character"
        raise fault(file, message, "remove it, or write the whole character")
    return data


def _json_lines(text: str, file: str) -> list[object]:
    def wrong(line: int, error: Exception) -> None:
        if isinstance(error, json.JSONDecodeError):
            raise _invalid(file, line, error) from None
        raise _unreadable(file, line, error) from None

    return [row for _, row in json_lines(text, wrong)]


def _invalid(file: str, line: int, error: json.JSONDecodeError) -> ConfigurationError:
    fix = "check the commas and quotes there"
    return fault(file, f"not valid JSON: {error.msg}", fix, line=line)


def _unreadable(file: str, line: int, error: Exception) -> ConfigurationError:
    message = f"not readable as JSON: {str(error)[:80]}"
    return fault(file, message, "check the file", line=line)


def items(data: object, file: str, what: str) -> list[Mapping[str, object]]:
    """The objects of a list.

    Raises:
        ConfigurationError: It is no list of objects, or empty.
    """
    if not isinstance(data, list) or not data:
        raise fault(file, f"no list of {what}", f"the file must hold a list of {what}")
    for number, item in enumerate(data, start=1):
        if not isinstance(item, dict):
            message = f"item {number} is {type(item).__name__}, not an object"
            raise fault(file, message, f"every item of the list is one of {what}")
    return list(data)


def text_of(item: Mapping[str, object], key: str, file: str, number: int) -> str:
    """A text that must be there.

    Raises:
        ConfigurationError: It is missing, empty or no text.
    """
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        message = f"item {number}: `{key}` is {value!r:.60}, not a text"
        raise fault(file, message, f"write the text of `{key}`")
    return value


def unknown_keys(found: list[Mapping[str, object]], known: set[str]) -> tuple[str, ...]:
    """A sentence on the keys of items that are not kept, or nothing."""
    extra = sorted({str(key) for item in found for key in item} - known)
    return (f"keys that mean nothing here: {', '.join(extra)}",) if extra else ()


def dump(data: object) -> str:
    """Indented JSON text with a final line break."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
