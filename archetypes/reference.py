"""The works that archetypes cite, and how well each citation was checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import StringConstraints, TypeAdapter, ValidationError

from ..errors import ArchetypeError, Problem
from ..files.validation import Strict, suggestion, validation_problems
from ..files.yaml_document import is_placeholder
from ..files.yaml_file import load_yaml

FILE = "references.yaml"
"""Name of the file with works; one beside an author's archetypes adds to the shipped ones."""
PATH = Path(__file__).with_name(FILE)


class Reference(Strict):
    """One cited work. Titles and details were checked, not the full texts."""

    status: Literal["V", "T", "A", "M"]
    """V: title and DOI, ISBN or URL seen; T: title seen; A: arXiv id seen; M: from memory."""
    cite: Annotated[str, StringConstraints(min_length=10)]
    """Authors, year, title, venue."""
    role: Literal["support", "critique"] = "support"
    """`critique`: argues against archetypes or against this use of them."""
    contests: tuple[str, ...] = ()
    """Keys of works here whose claims a critique argues against."""
    doi: str | None = None
    url: str | None = None
    isbn: str | None = None
    note: str | None = None


@cache
def load_references(path: Path = PATH) -> Mapping[str, Reference]:
    """Reference key -> work, in file order; read once per process.

    Raises:
        ArchetypeError: An entry does not validate.
        ConfigurationError: The file is not readable as YAML.
    """
    return MappingProxyType(_read(path, {}))


def references_beside(folder: Path) -> Mapping[str, Reference]:
    """The shipped works and those of `references.yaml` in an author's folder, if there is one.

    Raises:
        ArchetypeError: An entry of it does not validate, or takes the key of a shipped work.
        ConfigurationError: It is not readable as YAML.
    """
    shipped = load_references()
    own = folder / FILE
    if not own.is_file() or own.resolve() == PATH.resolve():
        return shipped
    return MappingProxyType({**shipped, **_read(own, shipped)})


def check_references(path: Path) -> None:
    """Reads a file with an author's own works.

    Raises:
        ArchetypeError: An entry does not validate, or takes the key of a shipped work.
        ConfigurationError: It is not readable as YAML.
    """
    _read(path, {} if path.resolve() == PATH.resolve() else load_references())


def _read(path: Path, shipped: Mapping[str, Reference]) -> dict[str, Reference]:
    document = load_yaml(path)
    try:
        entries = TypeAdapter(dict[str, Reference]).validate_python(document.data)
    except ValidationError as error:
        raise ArchetypeError(validation_problems(error, document, Reference)) from None
    problems = [] if entries else [(1, "no references", "add at least one")]
    for key, entry in entries.items():
        if is_placeholder(entry.cite):
            message = f"`{key}.cite` is still to be written: '{entry.cite[:40]}'"
            fix = "write author, year, title and where it was published"
            raise ArchetypeError.one("A023", path, message, fix, line=document.line((key, "cite")))
        if key in shipped:
            fix = "cite the shipped one, or choose another key"
            problems.append((document.line((key,)), f"`{key}` is a shipped work's key", fix))
        known = {*shipped, *entries} - {key}
        for index, other in enumerate(entry.contests):
            if other not in known:
                line = document.line((key, "contests", index))
                problems.append((line, f"`{key}` contests `{other}`", suggestion(other, known)))
    if problems:
        raise ArchetypeError(
            [Problem("A022", "error", str(path), line, what, fix) for line, what, fix in problems]
        )
    return entries
