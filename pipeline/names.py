"""Every name of an archetype, principle or failure mode that a config uses must exist.

A misspelt name would otherwise choose nothing and change nothing, in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from ..archetypes.loader import LIBRARY, archetype_source, load_archetypes
from ..archetypes.schema import Archetype
from ..archetypes.vocabulary import load_failure_modes
from ..errors import ArchetypeError, ConfigurationError, Problem
from ..files.validation import suggestion

if TYPE_CHECKING:
    from .config import RunConfig


def name_problems(config: RunConfig, source: str) -> list[Problem]:
    """A problem for every name that does not exist, with the nearest one that does.

    Names of archetypes are left alone where the archetypes themselves cannot be read:
    loading them says why.
    """
    found = []
    for field, kind, names, known in _uses(config):
        for name in names:
            if name not in known:
                message = f"`{field}` names the {kind} `{name}`, which does not exist here"
                fix = suggestion(name, known)
                code = "A010" if kind == "failure mode" else "R006"
                found.append(Problem(code, "error", source, 0, message, fix))
    library = config.archetypes.library
    twice = [name for number, name in enumerate(library) if name in library[:number]]
    if twice:
        message = f"`archetypes.library` names `{twice[0]}` twice"
        found.append(Problem("A024", "error", source, 0, message, "name it once"))
    return found


def _uses(config: RunConfig) -> Iterator[tuple[str, str, Iterable[str], set[str]]]:
    modes = set(load_failure_modes())
    yield "archetypes.guards", "failure mode", config.archetypes.guards or (), modes
    yield "evaluation.failure_modes", "failure mode", config.evaluation.failure_modes or (), modes
    layers = config.layers or ()
    for layer in layers:
        field = f"layers.{layer.name}.failure_modes"
        yield field, "failure mode", layer.failure_modes or (), modes
    chosen, selection = config.archetypes, config.selection
    if not (selection.without or selection.only or any(layer.archetypes for layer in layers)):
        return
    try:
        own = _archetypes(chosen.path, chosen.only)
        added = _archetypes(None, chosen.library) if chosen.library else ()
    except (ArchetypeError, ConfigurationError):
        return
    ids = {archetype.id for archetype in (*own, *added)}
    principles = {f"{a.id}/{p.id}" for a in (*own, *added) for p in a.principles}
    kind = "archetype or principle"
    yield "selection.without", kind, selection.without, ids | principles
    yield "selection.only", kind, selection.only or (), ids | principles
    shipped = {path.stem for path in LIBRARY.glob("*.yaml")}  # lessons may be about any of them
    for layer in layers:
        field = f"layers.{layer.name}.archetypes"
        yield field, "archetype", layer.archetypes or (), ids | shipped


@lru_cache(maxsize=8)
def _archetypes(path: str | None, only: tuple[str, ...] | None) -> tuple[Archetype, ...]:
    return tuple(load_archetypes(archetype_source(path), only=only))
