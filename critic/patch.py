"""A change of one text as a unified diff that `git apply` and `patch -p1` take."""

from __future__ import annotations

import difflib
from pathlib import Path


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
