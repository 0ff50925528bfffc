"""An arm: a name and what it changes in the run config; and what that config names."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ...archetypes.loader import archetype_source, load_archetypes
from ...archetypes.schema import Archetype

Source = str
"""`written`, `control`, or the kind of the generator."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition of a study.

    Attributes:
        name: Unique within the study, `[a-z0-9._-]`.
        overrides: Dotted path into the run config -> value.
        source: `written` by the author, `control`, or the kind of the generator.
        note: What it is for, in words.
        seed_offset: Added to each seed, so that two equal arms get different seeds.
    """

    name: str
    overrides: Mapping[str, Any]
    source: Source = "written"
    note: str = ""
    seed_offset: int = 0

    @property
    def is_control(self) -> bool:
        """Whether it is one of the control arms."""
        return self.source == "control"


def arm_name(*parts: object) -> str:
    """A name made of parts: lower case, with `-` for what a name may not hold."""
    text = "-".join(str(part) for part in parts).lower().replace("_", "-")
    return re.sub(r"[^a-z0-9.-]+", "-", text).strip("-.")[:60] or "arm"


def contradictions(overrides: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of paths of which one holds the other, so that their order would decide."""
    paths = sorted(overrides)
    return [
        (outer, inner)
        for outer in paths
        for inner in paths
        if inner.startswith(f"{outer}.") and overrides[outer] is not None
    ]


def apply_overrides(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of plain config data with dotted paths set.

    Missing sections are made; whether the fields exist is checked by the config itself.

    Raises:
        KeyError: A path goes through a value that is not a section; names the path.
    """
    result = copy.deepcopy(dict(data))
    for path, value in overrides.items():
        *sections, last = path.split(".")
        target: Any = result
        for section in sections:
            if target.get(section) is None:
                target[section] = {}
            target = target[section]
            if not isinstance(target, dict):
                raise KeyError(path)
        target[last] = copy.deepcopy(value)
    return result


def archetype_ids(base: Mapping[str, Any]) -> list[str]:
    """Ids of the base config's archetypes, in order."""
    return [archetype.id for archetype in _archetypes(base)]


def principle_ids(base: Mapping[str, Any]) -> list[str]:
    """Full ids of their principles, in order."""
    return [f"{a.id}/{p.id}" for a in _archetypes(base) for p in a.principles]


def guarded_modes(base: Mapping[str, Any]) -> list[str]:
    """Failure modes the base config's principles guard against."""
    guards = base["archetypes"].get("guards")
    found = {p.failure_mode for a in _archetypes(base) for p in a.principles}
    return sorted(found if guards is None else found.intersection(guards))


def _archetypes(base: Mapping[str, Any]) -> list[Archetype]:
    """Raises ArchetypeError where a file is wrong, or an id unknown."""
    chosen = base["archetypes"]
    path, only, library = chosen["path"], chosen["only"], chosen["library"]
    own = _load(path, None if only is None else tuple(only))
    added = _load(None, tuple(library)) if library else ()
    return sorted([*own, *added], key=lambda archetype: archetype.id)


@lru_cache(maxsize=8)
def _load(path: str | None, only: tuple[str, ...] | None) -> tuple[Archetype, ...]:
    return tuple(load_archetypes(archetype_source(path), only=only))
