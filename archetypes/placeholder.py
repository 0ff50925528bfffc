"""Parts of an archetype file that are still to be written, marked TODO."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import Problem
from .yaml_document import Location, YamlDocument, walk_text

_EMPTY = "has 0 of the"
_TODO = re.compile(r"TODO\b[\s:]*")


def unfinished(document: YamlDocument) -> list[Problem]:
    """One problem for each value or key that begins with `TODO`.

    The words after `TODO` say what belongs there and become the fix.
    """
    problems = []
    for at, text in [*walk_text(document.data), *_keys(document.data)]:
        found = _TODO.match(text)
        if found is None:
            continue
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in at)
        wanted = " ".join(text[found.end() :].split())
        fix = f"write {wanted}" if wanted else "replace TODO"
        line = document.line(at)
        message = f"`{where}` is still to be written"
        problems.append(Problem("A023", "error", str(document.path), line, message, fix))
    return problems


def without_echoes(problems: list[Problem], unfinished: list[Problem]) -> list[Problem]:
    """Both lists as one; what a schema says of a line with `TODO` is left out, except choices.

    A wrong choice (A005) names what may stand there, which `TODO` alone does not.
    Lists count as empty while what they hold is not valid; that is left out, too.
    """
    chosen = {problem.line for problem in problems if problem.code == "A005"}
    marked = {problem.line for problem in unfinished}
    kept = [p for p in problems if p.code == "A005" or p.line not in marked]
    kept = [p for p in kept if not (marked and _EMPTY in p.message)]
    kept += [p for p in unfinished if p.line not in chosen]
    return sorted(kept, key=lambda problem: (problem.line, problem.code))


def _keys(data: object, at: Location = ()) -> Iterator[tuple[Location, str]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield (*at, key), key
            yield from _keys(value, (*at, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _keys(value, (*at, index))
