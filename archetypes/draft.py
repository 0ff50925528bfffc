"""Writes a new archetype file with comments for its author to fill in; overwrites none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

from ..errors import ConfigurationError, Problem
from ..files.yaml_document import Location, YamlDocument, is_placeholder, walk_text

TEMPLATE = Path(__file__).with_name("template.yaml")
SCHEMA = Path(__file__).with_name("schema.json")
LIBRARY = Path(__file__).with_name("library")
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def archetype_id(name: str) -> str:
    """The id a name gives: `Bridge Builder` -> `bridge_builder`; may be "" or too long."""
    return re.sub(r"[^a-z]+", "_", name.lower()).strip("_")


def schema_path(folder: Path) -> str:
    """Where an editor finds the schema, seen from a folder."""
    return Path(os.path.relpath(SCHEMA, folder.resolve())).as_posix()


def new_archetype(name: str, folder: Path | str = ".") -> Path:
    """Writes `<id>.yaml` from the annotated template.

    Args:
        name: Name of the archetype; the id is made from its letters.
        folder: Where the file goes; made if it is not there.

    Raises:
        ConfigurationError: The name has no letters or is too long, a shipped
            archetype has it, or the file is already there.
    """
    identifier = archetype_id(name)
    folder = Path(folder)
    if not identifier or len(identifier) > 60:
        fix = "use letters a to z, at most 60 of them"
        raise ConfigurationError.one("X002", name, f"no id can be made from the name {name!r}", fix)
    if (LIBRARY / f"{identifier}.yaml").exists() and folder.resolve() != LIBRARY:
        fix = f"choose another name; `anlage show {identifier}` shows the shipped one"
        raise ConfigurationError.one(
            "X002", name, f"the library has an archetype `{identifier}`", fix
        )
    target = folder / f"{identifier}.yaml"
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        id=_quoted(identifier),
        name=_yaml_name(name),
        file=target.as_posix(),
        schema=schema_path(folder),
    )
    return write_new(target, text)


def write_new(target: Path, text: str) -> Path:
    """Writes a file that does not exist yet.

    Raises:
        ConfigurationError: It exists, or cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        fix = "nothing is overwritten; choose another name or folder"
        raise ConfigurationError.one("X002", target, "the file exists already", fix) from None
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise ConfigurationError.one("X002", target, message, "choose another folder") from None
    return target


def _yaml_name(name: str) -> str:
    """The name as one safe line of plain YAML text."""
    plain = " ".join(re.sub(r"[^\w' -]+", " ", name).split()).strip("'- ")
    return _quoted(plain[:1].upper() + plain[1:])


def _quoted(word: str) -> str:
    """In quotes where YAML would read a truth value or nothing: No, Yes, On, Null."""
    return f'"{word}"' if word.lower() in _NOT_TEXT else word


_EMPTY = "has 0 of the"
_TODO = re.compile(r"TODO\b[\s:]*")


def unfinished(document: YamlDocument) -> list[Problem]:
    """One problem for each value or key that begins with `TODO` or only keeps a place.

    The words after `TODO` say what belongs there and become the fix.
    """
    problems = []
    for at, text in [*walk_text(document.data), *_keys(document.data)]:
        found = _TODO.match(text)
        gap = at[:1] == ("openings",) and text.strip() == "..."
        if found is None and (gap or not is_placeholder(text)):
            continue
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in at)
        wanted = " ".join(text[found.end() :].split()) if found else ""
        left = "TODO" if found else f"`{' '.join(text.split())[:40]}`"
        fix = f"write {wanted}" if wanted else f"replace {left}"
        line = document.line(at)
        message = f"`{where}` is still to be written" + ("" if found else f": {left}")
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
