"""Replaces one sentence of a principle in an archetype's text and leaves every other byte."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

from ..archetypes.yaml_document import YamlDocument
from ..archetypes.yaml_file import load_yaml
from ..errors import ConfigurationError


def replace_text(text: str, path: Path, slug: str, field: str, new: str) -> str | None:
    """The text with one field of one principle replaced.

    Returns:
        The edited text, or None where reading it again does not give the old data
        with just this value changed (comments within the value, unusual layout).
    """
    document = _parse(text, path.name)
    if document is None or not isinstance(document.data, dict):
        return None
    principles = document.data.get("principles")
    if not isinstance(principles, list):
        return None
    index = next((i for i, item in enumerate(principles) if item.get("id") == slug), None)
    if index is None or field not in principles[index]:
        return None
    lines = re.findall(r"[^\n]*\n|[^\n]+$", text)
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    first = document.line(("principles", index, field)) - 1
    head = re.match(rf"( *(?:- )?){field}:", lines[first])
    if head is None:
        return None
    indent = len(head.group(1))
    last = first + 1
    while last < len(lines) and (
        not lines[last].strip() or len(lines[last]) - len(lines[last].lstrip(" ")) > indent
    ):
        last += 1
    while last > first + 1 and not lines[last - 1].strip():
        last -= 1
    pad = " " * (indent + 2)
    body = textwrap.wrap(new, 100 - len(pad), break_long_words=False, break_on_hyphens=False)
    written = [f"{head.group()} >-{end}", *(f"{pad}{line}{end}" for line in body)]
    edited = "".join([*lines[:first], *written, *lines[last:]])
    after = _parse(edited, path.name)
    principles[index][field] = new
    return edited if after is not None and after.data == document.data else None


def _parse(text: str, name: str) -> YamlDocument | None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(text.encode())
        try:
            document = load_yaml(file)
        except ConfigurationError:
            return None
    return document if isinstance(document.data, dict) else None
