"""Finds what changed between two constitutions, and the line of YAML that changed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..constitution.principle import Principle
from ..files.yaml_document import Location
from .side import Side

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
