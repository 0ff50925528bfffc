"""The works archetypes cite, and how well each was checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from ..errors import ArchetypeError, Problem
from .validation import suggestion, validation_problems
from .yaml_file import load_yaml

PATH = Path(__file__).with_name("references.yaml")


class Reference(BaseModel):
    """One cited work. Titles and details were checked, not the full texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    document = load_yaml(path)
    try:
        entries = TypeAdapter(dict[str, Reference]).validate_python(document.data)
    except ValidationError as error:
        raise ArchetypeError(validation_problems(error, document, Reference)) from None
    problems = [] if entries else [(1, "no references", "add at least one")]
    for key, entry in entries.items():
        for index, other in enumerate(entry.contests):
            if other not in entries or other == key:
                line = document.line((key, "contests", index))
                problems.append((line, f"`{key}` contests `{other}`", suggestion(other, entries)))
    if problems:
        raise ArchetypeError(
            [Problem("A022", "error", str(path), line, what, fix) for line, what, fix in problems]
        )
    return MappingProxyType(entries)
