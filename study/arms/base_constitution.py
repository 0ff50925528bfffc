"""Lists archetypes and principles of the base config, for the generators of arms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ...archetypes.loader import archetype_source, load_archetypes
from ...archetypes.schema import Archetype


def archetype_ids(base: Mapping[str, Any]) -> list[str]:
    """Ids of the base config's archetypes, in order.

    Raises:
        ArchetypeError: A file is wrong, or an id unknown.
    """
    return [archetype.id for archetype in _archetypes(base)]


def principle_ids(base: Mapping[str, Any]) -> list[str]:
    """Full ids of their principles, in order.

    Raises:
        ArchetypeError: A file is wrong, or an id unknown.
    """
    return [f"{a.id}/{p.id}" for a in _archetypes(base) for p in a.principles]


def guarded_modes(base: Mapping[str, Any]) -> list[str]:
    """Failure modes the base config's principles guard against.

    Raises:
        ArchetypeError: A file is wrong, or an id unknown.
    """
    guards = base["archetypes"].get("guards")
    found = {p.failure_mode for a in _archetypes(base) for p in a.principles}
    return sorted(found if guards is None else found.intersection(guards))


def _archetypes(base: Mapping[str, Any]) -> list[Archetype]:
    chosen = base["archetypes"]
    path, only, library = chosen["path"], chosen["only"], chosen["library"]
    own = _load(path, None if only is None else tuple(only))
    added = _load(None, tuple(library)) if library else ()
    return sorted([*own, *added], key=lambda archetype: archetype.id)


@lru_cache(maxsize=8)
def _load(path: str | None, only: tuple[str, ...] | None) -> tuple[Archetype, ...]:
    return tuple(load_archetypes(archetype_source(path), only=only))
