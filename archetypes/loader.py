"""Reads archetype files and reports everything wrong with them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..errors import ArchetypeError, ConfigurationError, Problem
from ..files.validation import suggestion, validation_problems
from ..files.yaml_document import YamlDocument
from ..files.yaml_file import load_yaml
from .checks import check_archetype
from .draft import unfinished, without_echoes
from .reference import FILE as REFERENCES
from .reference import Reference, load_references, references_beside
from .schema import Archetype, Source

LIBRARY = Path(__file__).with_name("library")
"""The archetypes shipped with the package."""

SHIPPED = {"anlage:plain-hhh": Path(__file__).with_name("plain_hhh.yaml")}
"""Shipped files beside the library, by a name that is the same on every machine. `plain-hhh`:
helpful, honest, harmless in our own words, without a motive or a person in it."""


def archetype_source(name: str | None) -> Path:
    """Where archetypes are read from: a path, a shipped file's name, or None for the library."""
    if name is None:
        return LIBRARY
    return SHIPPED.get(name, Path(name))


@dataclass(frozen=True, slots=True)
class Reading:
    """One attempt to read a file: what was understood and what was wrong."""

    path: Path
    document: YamlDocument | None
    archetype: Archetype | None
    problems: tuple[Problem, ...]


def load_archetypes(
    path: Path | str = LIBRARY, *, only: Sequence[str] | None = None
) -> list[Archetype]:
    """The archetypes of a folder, or of one file, in order of id.

    A file or folder outside the shipped library may name shipped archetypes as
    counterweights. With `only`, all files are still checked.

    Args:
        path: Folder with `*.yaml` files (subfolders are not read), or one file. A
            `references.yaml` beside them adds works that they may cite.
        only: Ids to return; None for all.

    Raises:
        ArchetypeError: Anything wrong with any file, all problems at once.

    Example:
        >>> [archetype.id for archetype in load_archetypes(only=["sage", "ally"])]
        ['ally', 'sage']
    """
    readings, problems = read_archetypes(path)
    if problems:
        raise ArchetypeError(problems)
    return select_archetypes(readings, path, only)


def select_archetypes(
    readings: Sequence[Reading], path: Path | str, only: Sequence[str] | None
) -> list[Archetype]:
    """The archetypes among the readings with these ids (None: all), in order of id.

    Raises:
        ArchetypeError: `only` is empty or names an id that is not there.
    """
    archetypes = [reading.archetype for reading in readings if reading.archetype]
    archetypes.sort(key=lambda archetype: archetype.id)
    if only is None:
        return archetypes
    known = {archetype.id for archetype in archetypes}
    unknown = [
        Problem("A019", "error", str(path), 0, f"no archetype `{name}`", suggestion(name, known))
        for name in only
        if name not in known
    ]
    if not only:
        unknown.append(Problem("A019", "error", str(path), 0, "no archetype chosen", "name one"))
    if unknown:
        raise ArchetypeError(unknown)
    return [archetype for archetype in archetypes if archetype.id in set(only)]


def read_archetypes(path: Path | str = LIBRARY) -> tuple[list[Reading], list[Problem]]:
    """Reads what can be read; the linter goes on from here.

    Returns:
        One reading per file in order of name, and all problems of errors.
    """
    path = Path(path)
    try:
        files = _files(path)
    except ArchetypeError as error:
        return [], list(error.problems)
    problems: list[Problem] = []
    broken = False
    try:
        works = references_beside(path if path.is_dir() else path.parent)
    except ConfigurationError as error:
        works, broken = load_references(), True
        problems += error.problems
    readings = [_read(file, works) for file in files]
    problems += [problem for reading in readings for problem in reading.problems]
    problems += _duplicate_ids(readings)
    known = {file.stem for file in LIBRARY.glob("*.yaml")} | set(_ids(readings))
    for reading in readings:
        if reading.archetype and reading.document:
            problems += check_archetype(reading.archetype, reading.document, known)
    if broken:  # whether a work is there cannot be told before its file can be read
        problems = [problem for problem in problems if problem.code not in ("A016", "A017")]
    problems.sort(key=lambda problem: (problem.file, problem.line, problem.code))
    return readings, problems


def _files(path: Path) -> list[Path]:
    def fail(message: str, fix: str) -> ArchetypeError:
        return ArchetypeError.one("A000", path, message, fix)

    try:
        if path.is_dir():
            found = sorted(
                file
                for file in path.iterdir()
                if file.suffix in {".yaml", ".yml"}
                and not file.name.startswith(".")
                and file.name != REFERENCES
            )
            if not found:
                raise fail("no *.yaml files in this folder", "give a folder of archetype files")
            return found
        if not path.exists():
            raise fail("no such file or folder", "check the path")
    except (OSError, ValueError) as error:
        if isinstance(error, ArchetypeError):
            raise
        raise fail(f"cannot be read: {error}", "check the path and its permissions") from None
    return [path]


def _read(path: Path, works: Mapping[str, Reference]) -> Reading:
    try:
        document = load_yaml(path)
    except ConfigurationError as error:
        return Reading(path, None, None, error.problems)
    missing = unfinished(document)
    try:
        archetype = Archetype.model_validate(document.data)
    except ValidationError as error:
        problems = without_echoes(validation_problems(error, document, Archetype), missing)
        return Reading(path, document, None, tuple(problems))
    if missing:
        return Reading(path, document, None, tuple(missing))
    archetype._source = Source(
        path=path,
        file=path.name,
        sha256=document.sha256,
        principle_lines={
            principle.id: document.line(("principles", index, "id"))
            for index, principle in enumerate(archetype.principles)
        },
        works=works,
    )
    return Reading(path, document, archetype, ())


def _ids(readings: Sequence[Reading]) -> dict[str, Reading]:
    """Id -> first file that gives it, also of files that do not validate."""
    ids: dict[str, Reading] = {}
    for reading in readings:
        data = reading.document.data if reading.document else None
        name = data.get("id") if isinstance(data, dict) else None
        if isinstance(name, str):
            ids.setdefault(name, reading)
    return ids


def _duplicate_ids(readings: Sequence[Reading]) -> list[Problem]:
    first = _ids(readings)
    problems = []
    for reading in readings:
        if reading.archetype is None or reading.document is None:
            continue
        name = reading.archetype.id
        if first[name] is not reading:
            message = f"duplicate archetype id `{name}`; first in {first[name].path.name}"
            line = reading.document.line(("id",))
            fix = "give each archetype its own id"
            problems.append(Problem("A014", "error", str(reading.path), line, message, fix))
    return problems
