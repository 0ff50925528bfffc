"""Copies of the shipped archetype files that a test may break."""

from __future__ import annotations

import shutil
from pathlib import Path

from anlage.archetypes.loader import LIBRARY


def copy_library(folder: Path) -> Path:
    """A copy of the shipped library in `folder/library`."""
    target = folder / "library"
    shutil.copytree(LIBRARY, target)
    return target


def edit(file: Path, old: str, new: str) -> int:
    """Replaces the one occurrence of `old`; returns the line where it began."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1
