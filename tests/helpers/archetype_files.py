"""Copies of the shipped archetype files that a test may break."""

from __future__ import annotations

import shutil
from pathlib import Path

from anlage.archetypes.loader import LIBRARY

FOUR = ("ally", "explorer", "guardian", "sage")
"""Enough to break in every way a test needs; the others would only take time."""


def copy_library(folder: Path) -> Path:
    """A copy of four shipped archetypes in `folder/library`."""
    target = folder / "library"
    target.mkdir()
    for name in FOUR:
        shutil.copy(LIBRARY / f"{name}.yaml", target)
    return target


def edit(file: Path, old: str, new: str) -> int:
    """Replaces the one occurrence of `old`; returns the line where it began."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1
