"""A diff of constitutions as text for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ...authoring.diff import PrincipleChange

_SIGN = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def diff_text(changes: Sequence[PrincipleChange], old: str, new: str) -> RenderableType:
    """One line per principle, and under it each field: its line, the old and the new value."""
    if not changes:
        return Text(f"{old} and {new} compile to the same principles.")
    lines: list[Text] = []
    for change in changes:
        sign, colour = _SIGN[change.kind]
        lines.append(Text(f"{sign} {change.principle}  {change.file}:{change.line}", style=colour))
        for field in change.fields:
            lines.append(Text(f"    {field.field}  {field.file}:{field.line}"))
            lines += [Text(f"      - {field.old}")] if field.old else []
            lines += [Text(f"      + {field.new}")] if field.new else []
    counts = Counter[str](change.kind for change in changes)
    parts = [f"{counts[kind]} {kind}" for kind in _SIGN if counts[kind]]
    return Group(*lines, Text(", ".join(parts) + "."))
