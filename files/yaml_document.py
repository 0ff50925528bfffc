"""A parsed YAML file that remembers the line of every key and item."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PLACEHOLDER = re.compile(
    r"(?-i:TODO|FIXME|XXX+|TBD|tbd)\b.*|<[^<>]+>|\.\.\.|…|\?{2,}|lorem ipsum\b.*"
    r"|(?:your|insert|put|add|write) [\w ]*\bhere",
    re.IGNORECASE | re.DOTALL,
)

Location = tuple[str | int, ...]
"""Keys and list indices from the root of a document."""


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One parsed file.

    Attributes:
        path: The file as the caller gave it.
        data: Mappings, lists and plain values.
        lines: Where each key and list item stands (1-based), by its location.
        raw: The text of every unquoted value that was not read as text, such as
            `no` (read as false), for messages.
        sha256: Hash (hex) of the file's bytes.
    """

    path: Path
    data: object
    lines: Mapping[Location, int]
    raw: Mapping[Location, str]
    sha256: str

    def resolve(self, location: Location) -> Location:
        """The part of a location that exists in the file; unknown parts are left out."""
        found: Location = ()
        for part in location:
            if (*found, part) in self.lines:
                found = (*found, part)
        return found

    def line(self, location: Location = ()) -> int:
        """Line of this location, or of the nearest thing around it."""
        return self.lines.get(self.resolve(location), 1)


def walk_text(data: object, at: Location = ()) -> Iterator[tuple[Location, str]]:
    """Every text value of a document with its location, in file order."""
    if isinstance(data, str):
        yield at, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from walk_text(value, (*at, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from walk_text(value, (*at, index))


def is_placeholder(text: str) -> bool:
    """True for a text that only keeps a place: `<fill in>`, `XXX`, `TODO ...`, `???`."""
    return _PLACEHOLDER.fullmatch(text.strip()) is not None
