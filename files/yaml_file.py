"""The only place where YAML enters Anlage.

A small, safe subset: one document of mappings with text keys, lists, text, whole
and decimal numbers, true/false and null. No anchors, aliases or tags, so that a
file can neither expand nor build objects. Every key and list item keeps its line.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import yaml

from ..errors import ConfigurationError, Problem
from .yaml_builder import YamlBuilder
from .yaml_document import YamlDocument
from .yaml_signs import after_parsing, before_parsing

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(path: Path | str, *, max_bytes: int = 1_000_000, max_depth: int = 20) -> YamlDocument:
    """Reads one YAML file of the safe subset.

    Dates, octal and hexadecimal numbers are read as text. Comments are lost.

    Args:
        path: The file.
        max_bytes: Largest size accepted; a larger file is not read at all.
        max_depth: Deepest nesting of mappings and lists accepted.

    Raises:
        ConfigurationError: The file is missing, unreadable, binary, not UTF-8,
            too large or too deep, or uses tabs for indentation, anchors,
            aliases, tags, duplicate or non-text keys or several documents. Each
            problem carries its line.
    """
    path = Path(path)
    content = _read(path, max_bytes)
    text = _decode(path, content)
    misread = before_parsing(path, text)
    if misread:
        raise ConfigurationError(misread)
    builder = YamlBuilder(path, max_depth)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
            if builder.too_deep:
                break
    except yaml.YAMLError as error:
        builder.problems.append(_syntax_problem(path, text, error))
    if builder.problems:
        raise ConfigurationError(_one_entry(builder.problems))
    return YamlDocument(
        path=path,
        data=builder.root,
        lines=builder.lines,
        raw=builder.raw,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.exists():
            raise ConfigurationError.one("Y001", path, "no such file", "check the path")
        if not path.is_file():
            raise ConfigurationError.one("Y001", path, "not a file", "give the path of a YAML file")
        size = path.stat().st_size
        if size > max_bytes:
            message = f"the file has {size:,} bytes; at most {max_bytes:,} are read"
            raise ConfigurationError.one(
                "Y002", path, message, "split it, or check that it is the right file"
            )
        with path.open("rb") as stream:
            return stream.read(max_bytes)
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError.one(
            "Y001", path, f"cannot be read: {reason}", "check its permissions"
        ) from None


def _decode(path: Path, content: bytes) -> str:
    if b"\x00" in content:
        line = content[: content.index(b"\x00")].count(b"\n") + 1
        raise ConfigurationError.one(
            "Y003", path, "binary data, not text", "save it as UTF-8 text", line=line
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = f"not UTF-8: byte 0x{content[error.start]:02x}"
        raise ConfigurationError.one(
            "Y003", path, message, "save the file as UTF-8", line=line
        ) from None
    tab = re.search(r"^ *\t(?=[ \t]*[^\s])", text, re.MULTILINE)
    if tab:
        line = text.count("\n", 0, tab.start()) + 1
        raise ConfigurationError.one(
            "Y004", path, "a tab is used for indentation", "use spaces", line=line
        )
    return text


def _syntax_problem(path: Path, text: str, error: yaml.YAMLError) -> Problem:
    line = 1
    said = str(error)
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or said
        # The parser may point past the last line when something is left open.
        line = min(mark.line + 1 if mark else 1, text.count("\n") + 1)
    elif isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, int(error.position)) + 1
        message = "a character that YAML does not allow"
        return Problem("Y005", "error", str(path), line, message, "remove it")
    return after_parsing(path, text, line, said)


def _one_entry(problems: list[Problem]) -> list[Problem]:
    """Several keys given twice in a row: the dash of a list's next entry is missing."""
    twice = [problem for problem in problems if problem.code == "Y008"]
    if len(twice) < 2 or twice[1].line - twice[0].line > 3:
        return problems
    first = twice[0]
    message = f"{first.message}, and so are the keys below it: the dash of a new entry is missing"
    fix = "begin the entry with a hyphen and a space: `- `"
    one = Problem("Y013", "error", first.file, first.line, message, fix)
    return [one, *(problem for problem in problems if problem.code != "Y008")]
