"""Replaces one sentence of a principle in an archetype file and keeps every other byte."""

from __future__ import annotations

import difflib
import re
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import ConfigurationError
from ..files.yaml_document import YamlDocument
from ..files.yaml_file import load_yaml


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


def unified_patch(before: str, after: str, path: Path) -> str:
    """The diff, or "" where nothing changed.

    Lines end at line feeds only, so that a carriage return before one, or a rarer
    line break within a sentence, stays part of its line. A last line without a break is marked.

    Args:
        before: Old text.
        after: New text.
        path: The file; named as seen from the working folder, or by its absolute
            path without the first slash where it lies elsewhere.
    """
    name = patch_name(path)
    diff = difflib.unified_diff(_lines(before), _lines(after), f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in diff
    )


def patch_name(path: Path) -> str:
    """The file as `git apply` finds it from the working folder, or from `/`."""
    whole = path.resolve()
    if whole.is_relative_to(Path.cwd()):
        return whole.relative_to(Path.cwd()).as_posix()
    return whole.relative_to(whole.anchor).as_posix()


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
