"""The only place where YAML enters Anlage.

A small, safe subset: one document of mappings with text keys, lists, text, whole
and decimal numbers, true/false and null. No anchors, aliases or tags, so that a
file can neither expand nor build objects. Every key and list item keeps its line.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..errors import ConfigurationError, Problem
from .yaml_document import Location, YamlDocument
from .yaml_signs import after_parsing, before_parsing

Plain = str | int | float | bool | None

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE|yes|Yes|YES|on|On|ON")
_FALSE = re.compile(r"false|False|FALSE|no|No|NO|off|Off|OFF")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
# Unlike YAML 1.1 this reads 4e-4 as a number: that is how learning rates are written.
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")


@dataclass(slots=True)
class _Frame:
    container: dict[str, object] | list[object]
    location: Location
    key: str | None = None


def read_plain(value: str) -> Plain:
    """What an unquoted scalar means: null, true/false, a number, or else its text."""
    if _NULL.fullmatch(value):
        return None
    if _TRUE.fullmatch(value):
        return True
    if _FALSE.fullmatch(value):
        return False
    if _INT.fullmatch(value):
        return int(value)
    if _FLOAT.fullmatch(value):
        return float(value)
    return value


class YamlBuilder:
    """Turns parser events into plain data, noting lines; iterative, so depth is no danger."""

    def __init__(self, path: Path, max_depth: int) -> None:
        self.path = path
        self.max_depth = max_depth
        self.problems: list[Problem] = []
        self.lines: dict[Location, int] = {}
        self.raw: dict[Location, str] = {}
        self.root: object = None
        self._stack: list[_Frame] = []
        self._documents = 0
        self._depth = 0
        self.too_deep = False

    def add(self, code: str, line: int, message: str, fix: str) -> None:
        """Notes a problem, once per line and kind; building goes on to find them all."""
        if any(known.code == code and known.line == line for known in self.problems[-1:]):
            return
        self.problems.append(Problem(code, "error", str(self.path), line, message, fix))

    def take(self, event: yaml.Event) -> None:
        """Takes the parser's next event."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self.add("Y010", line, "a second document starts here", "keep one per file")
            self._stack = []
        elif isinstance(event, yaml.NodeEvent):
            self._check_node(event, line)
            if isinstance(event, yaml.ScalarEvent):
                value = read_plain(event.value) if event.implicit[0] else event.value
                self._place(value, line, event.value)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._open({} if isinstance(event, yaml.MappingStartEvent) else [], line)
            else:
                self._place(None, line, "")
        elif isinstance(event, yaml.CollectionEndEvent):
            self._depth -= 1
            if self._stack:
                self._stack.pop()

    def _check_node(self, event: yaml.NodeEvent, line: int) -> None:
        if event.anchor is not None:
            what = "an alias (*" if isinstance(event, yaml.AliasEvent) else "an anchor (&"
            fix = "write the text out, or put it in quotes if the sign is meant"
            self.add("Y006", line, f"{what}{event.anchor}) is used", fix)
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.add(
                "Y007", line, f"a tag ({tag}) is used", "leave it out; only plain data is read"
            )

    def _open(self, container: dict[str, object] | list[object], line: int) -> None:
        self._depth += 1
        if self._depth > self.max_depth:
            self.too_deep = True
            message = f"nested deeper than {self.max_depth} levels"
            self.add("Y009", line, message, "flatten the file")
        location = self._place(container, line, "")
        self._stack.append(_Frame(container, location))

    def _place(self, value: object, line: int, text: str) -> Location:
        """Puts a value where it belongs; returns its location."""
        if not self._stack:
            if self._documents < 2:
                self.root = value
            self.lines.setdefault((), line)
            return ()
        frame = self._stack[-1]
        if isinstance(frame.container, list):
            location = (*frame.location, len(frame.container))
            frame.container.append(value)
            self.lines[location] = line
        elif frame.key is None:
            return self._take_key(frame, value, line, text)
        else:
            location = (*frame.location, frame.key)
            frame.container[frame.key] = value
            frame.key = None
        if text and not isinstance(value, str):
            self.raw[location] = text
        return location

    def _take_key(self, frame: _Frame, value: object, line: int, text: str) -> Location:
        if not isinstance(value, str):
            shown = f"`{text}`" if text else "this"
            fix = "put the key in quotes" if text else "use text as the key"
            self.add("Y011", line, f"a key must be text, but {shown} is not", fix)
        key = value if isinstance(value, str) else f"\x00{line}"
        if isinstance(frame.container, dict) and key in frame.container:
            first = self.lines[(*frame.location, key)]
            message = f"the key `{key}` is given twice; first in line {first}"
            self.add("Y008", line, message, "remove one of them")
        frame.key = key
        location = (*frame.location, key)
        self.lines.setdefault(location, line)
        return location


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
