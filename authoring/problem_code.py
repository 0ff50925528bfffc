"""What each problem code means: the table behind `anlage lint --explain`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ..errors import ConfigurationError
from ..files.yaml_file import load_yaml

PATH = Path(__file__).with_name("problem_codes.yaml")


@dataclass(frozen=True, slots=True)
class ProblemCode:
    """One entry of `problem_codes.yaml`.

    Attributes:
        code: A letter for the kind of file and three digits, e.g. `A003`.
        means: What is wrong, in one or two sentences, and why it matters.
        example: Something that has the problem.
        fix: What to do about it.
    """

    code: str
    means: str
    example: str
    fix: str


@cache
def load_problem_codes() -> Mapping[str, ProblemCode]:
    """Code -> entry, in file order; read once per process."""
    data = load_yaml(PATH).data
    entries = data if isinstance(data, dict) else {}
    found = {
        code: ProblemCode(code, entry["means"], entry["example"], entry["fix"])
        for code, entry in entries.items()
    }
    return MappingProxyType(found)


def explain(code: str) -> ProblemCode:
    """The entry of a code, upper or lower case.

    Raises:
        ConfigurationError: There is no such code; the message names near ones.
    """
    known = load_problem_codes()
    found = known.get(code.strip().upper())
    if found is None:
        near = difflib.get_close_matches(code.strip().upper(), known, n=3, cutoff=0.5)
        fix = f"codes like it: {', '.join(near)}" if near else "copy it from a line of the linter"
        raise ConfigurationError.one("X001", "--explain", f"no problem code {code!r}", fix)
    return found
