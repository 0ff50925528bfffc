"""Finds what changed between two constitutions, and the line of YAML that changed it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ..archetypes.loader import LIBRARY, read_archetypes
from ..archetypes.reference import FILE as REFERENCES
from ..archetypes.schema import Archetype
from ..constitution.compiler import constitution_of
from ..constitution.principle import Constitution, Principle
from ..constitution.yaml_form import load_constitution
from ..errors import ArchetypeError, ConfigurationError
from ..files.yaml_document import Location, YamlDocument
from ..files.yaml_file import load_yaml


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared.

    Attributes:
        label: What the user gave.
        constitution: Its principles.
        archetypes: Archetype id -> file as read; empty for a compiled constitution.
        documents: Archetype id -> parsed file with its lines; empty likewise.
        prefix: Stands before a file's name when it is shown, such as `HEAD~1:`.
    """

    label: str
    constitution: Constitution
    archetypes: Mapping[str, Archetype]
    documents: Mapping[str, YamlDocument]
    prefix: str = ""

    def shown(self, file: str) -> str:
        """A file of this side as the user would find it."""
        return f"{self.prefix}{file}"


def load_side(spec: str) -> Side:
    """Reads a folder or file of archetypes, a compiled constitution, or `REVISION:PATH`.

    What only the linter objects to does not stop it: two drafts can be compared.

    Raises:
        ConfigurationError: There is nothing under that name, git does not know the
            revision or path, or the files do not validate.
    """
    if Path(spec).exists() or ":" not in spec:
        return _load(Path(spec), spec)
    revision, path = spec.split(":", 1)
    return _from_git(revision, path, Path())


def load_revision(revision: str, path: Path = LIBRARY) -> Side:
    """The state of a file or folder in a git revision.

    Raises:
        ConfigurationError: As `load_side`.
    """
    folder = path if path.is_dir() else path.parent
    return _from_git(revision, "./" if path.is_dir() else f"./{path.name}", folder)


def _load(path: Path, label: str) -> Side:
    if path.is_file() and _is_compiled(path):
        return Side(label, load_constitution(path), {}, {})
    readings, problems = read_archetypes(path)
    if problems:
        raise ArchetypeError(problems)
    archetypes = {r.archetype.id: r.archetype for r in readings if r.archetype}
    documents = {r.archetype.id: r.document for r in readings if r.archetype and r.document}
    folder = path if path.is_dir() else path.parent
    prefix = "" if folder == Path() else f"{folder.as_posix()}/"
    return Side(label, constitution_of(list(archetypes.values())), archetypes, documents, prefix)


def _is_compiled(path: Path) -> bool:
    data = load_yaml(path, max_bytes=8_000_000).data
    return isinstance(data, dict) and {"hash", "sources", "principles"} <= set(data)


def _from_git(revision: str, path: str, folder: Path) -> Side:
    spec = f"{revision}:{path}"
    if not revision or revision.startswith("-"):
        raise ConfigurationError.one(
            "X003", spec, f"{revision!r} is no git revision", "write REVISION:PATH, e.g. HEAD~1:."
        )
    is_folder = _git(folder, spec, "cat-file", "-t", spec).strip() == b"tree"
    stem = path.rstrip("/") if is_folder else path.rpartition("/")[0]
    tree = f"{revision}:{stem}/" if stem else f"{revision}:"
    listed = _git(folder, spec, "ls-tree", "--full-tree", "--name-only", "-z", tree).decode(
        "utf-8", "replace"
    )
    beside = listed.split("\0")
    # One file may cite works that stand beside it.
    names = [path.rpartition("/")[2], *({REFERENCES} & set(beside))]
    if is_folder:
        names = [name for name in beside if name.endswith((".yaml", ".yml"))]
    shown = stem.removeprefix("./").strip(".")
    prefix = f"{revision}:{shown}/" if shown else f"{revision}:"
    with TemporaryDirectory() as scratch:
        for name in names:
            inner = f"{revision}:{stem}/{name}" if stem else f"{revision}:{name}"
            (Path(scratch) / name).write_bytes(_git(folder, spec, "cat-file", "blob", inner))
        target = Path(scratch) if is_folder else Path(scratch) / names[0]
        try:
            side = _load(target, spec)
        except ConfigurationError as error:
            raise type(error)(
                [replace(p, file=p.file.replace(f"{scratch}/", prefix)) for p in error.problems]
            ) from None
    return replace(side, label=spec, prefix=prefix if side.documents else "")


def _git(folder: Path, spec: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the user's own git
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise ConfigurationError.one(
            "X003", spec, f"git cannot be run: {error.strerror}", "install git"
        ) from None
    if done.returncode:
        first = done.stderr.decode("utf-8", "replace").strip().splitlines()[:1]
        reason = first[0].removeprefix("fatal: ") if first else "git failed"
        raise ConfigurationError.one(
            "X003", spec, reason, "check the revision, and the path from the repository's root"
        )
    return done.stdout


Kind = Literal["added", "removed", "changed"]
_PLAIN = ("failure_mode", "situation", "statement", "negative", "weight")
_REQUESTS = ("critique", "revise", "compare")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs.

    Attributes:
        field: Its name, e.g. `statement` or `openings.good`.
        old: Its value before, as text; "" where there was none.
        new: Its value after.
        file: The file that caused it, on the new side unless it is only in the old.
        line: 1-based line there.
    """

    field: str
    old: str
    new: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class PrincipleChange:
    """One principle that was added, removed or changed, with its place."""

    principle: str
    kind: Kind
    file: str
    line: int
    fields: tuple[FieldChange, ...] = ()


def diff(old: Side, new: Side) -> list[PrincipleChange]:
    """Every principle that differs, by id.

    Requests that a template fills from a changed sentence are not listed beside
    it. Moved lines, comments and file names are no change. Swapping the sides
    swaps added and removed, and old and new.
    """
    before = {principle.id: principle for principle in old.constitution}
    after = {principle.id: principle for principle in new.constitution}
    changes = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            changes.append(_whole("added", after[name], new))
        elif name not in after:
            changes.append(_whole("removed", before[name], old))
        else:
            fields = tuple(_fields(before[name], after[name], old, new))
            if fields:
                place = after[name].provenance
                changes.append(
                    PrincipleChange(name, "changed", new.shown(place.file), place.line, fields)
                )
    return changes


def _whole(kind: Kind, principle: Principle, side: Side) -> PrincipleChange:
    place = principle.provenance
    return PrincipleChange(principle.id, kind, side.shown(place.file), place.line)


def _fields(was: Principle, now: Principle, old: Side, new: Side) -> Iterator[FieldChange]:
    changed = False
    for name in _PLAIN:
        before, after = str(getattr(was, name)), str(getattr(now, name))
        if before != after:
            changed = True
            yield _change(name, before, after, now, new, (name,))
    for name in _REQUESTS:
        before, after = getattr(was, name), getattr(now, name)
        own = _authored(was, old, name) or _authored(now, new, name)
        if before != after and (own or not changed):
            yield _change(name, before, after, now, new, (name,))
    if was.pole != now.pole:
        yield _outer("pole", was.pole, now.pole, now, new, ("ai_failure_modes",))
    yield from _lists(was, now, old, new)
    if was.precedence != now.precedence:
        yield _precedence(was, now, old, new)


def _lists(was: Principle, now: Principle, old: Side, new: Side) -> Iterator[FieldChange]:
    places: list[tuple[str, Sequence[str], Sequence[str], Location]] = [
        ("cues", was.cues, now.cues, ("cues",)),
        ("openings.good", was.openings.good, now.openings.good,
         ("openings", "integrated", now.failure_mode)),
        ("openings.failing", was.openings.failing, now.openings.failing, ("openings", now.pole)),
        ("references", was.provenance.references, now.provenance.references, ("evidence",)),
    ]  # fmt: skip
    for name, before, after, outer in places:
        if tuple(before) == tuple(after):
            continue
        gone = [text for text in before if text not in after]
        come = [text for text in after if text not in before]
        shown = ("; ".join(gone), "; ".join(come)) if gone or come else ("order", "another order")
        at, own = outer, name.split(".")[0]
        if name != "references" and name != "openings.failing" and _authored(now, new, own):
            at = ("principles", _index(now, new), own)
        first = come[0] if come else ""
        yield _outer(name, *shown, now, new, at, item=first)


def _precedence(was: Principle, now: Principle, old: Side, new: Side) -> FieldChange:
    """Precedence follows from counterweights, which may be another archetype's."""
    values = (str(was.precedence), str(now.precedence))
    both = old.archetypes.keys() & new.archetypes.keys()
    moved = sorted(
        name
        for name in both
        if old.archetypes[name].counterweights != new.archetypes[name].counterweights
    )
    if now.archetype not in moved and moved:
        document = new.documents[moved[0]]
        file = new.shown(new.archetypes[moved[0]].source.file)
        return FieldChange("precedence", *values, file, document.line(("counterweights",)))
    return _outer("precedence", *values, now, new, ("counterweights",))


def _change(
    field: str, old: str, new: str, principle: Principle, side: Side, inner: Location
) -> FieldChange:
    at: Location = ("principles", _index(principle, side), *inner)
    return _outer(field, old, new, principle, side, at)


def _outer(
    field: str, old: str, new: str, principle: Principle, side: Side, at: Location, item: str = ""
) -> FieldChange:
    """A change at a location of the archetype's file, or at one item of a list there."""
    place = principle.provenance
    document = side.documents.get(principle.archetype)
    line = place.line
    if document is not None:
        line = document.line(at)
        for found in document.lines:
            if item and found[: len(at)] == at and _value(document.data, found) == item:
                line = document.line(found)
                break
    return FieldChange(field, old, new, side.shown(place.file), line)


def _value(data: object, at: Location) -> object:
    for part in at:
        if isinstance(data, dict) and isinstance(part, str):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data.get("ref") if isinstance(data, dict) else data


def _index(principle: Principle, side: Side) -> int:
    archetype = side.archetypes.get(principle.archetype)
    slugs = [item.id for item in archetype.principles] if archetype else []
    slug = principle.id.split("/")[1]
    return slugs.index(slug) if slug in slugs else 0


def _authored(principle: Principle, side: Side, field: str) -> bool:
    """True where the author wrote this field in the principle itself."""
    document = side.documents.get(principle.archetype)
    at: Location = ("principles", _index(principle, side), field)
    return document is not None and at in document.lines
