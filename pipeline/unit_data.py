"""What one layer trains on: its own rows, and those it replays from earlier layers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ..errors import TrainingError
from ..preferences.dataset import Pairs
from ..preferences.pair import Pair
from ..preferences.selection import select
from ..prompts.lessons import Lesson, load_lessons
from .layer import LayerConfig
from .resolved import Resolved
from .unit import Unit

_T = TypeVar("_T")


def pairs_for(resolved: Resolved, unit: Unit, run: Path) -> list[Pair]:
    """The pairs of a unit's own.

    Raises:
        PairError: The pairs file cannot be read.
        TrainingError: The layer's choice leaves none.
    """
    layer = unit.layer
    if layer is None:
        return resolved.select_pairs(select(Pairs.load(run / unit.pairs), resolved.selection))
    source = Path(layer.data) if layer.data else run / unit.pairs
    built = Pairs.load(source) if layer.data else select(Pairs.load(source), resolved.selection)
    found = [pair for pair in built if _belongs(pair, layer)]
    found = resolved.select_pairs(found)[: layer.limit]
    if not found:
        raise TrainingError(
            f"layer {layer.name!r} is left without pairs: none of {source} has archetypes "
            f"{layer.archetypes} and failure modes {layer.failure_modes}."
        )
    if layer.flipped:
        found = [replace(pair, chosen=pair.rejected, rejected=pair.chosen) for pair in found]
    return found


def lessons_for(unit: Unit) -> list[Lesson]:
    """The lessons of a unit's own.

    Raises:
        PromptError: They cannot be read, or none is left.
    """
    layer = unit.layer
    assert layer is not None
    assert layer.data is not None
    return load_lessons(
        layer.data,
        themes=layer.themes,
        archetypes=layer.archetypes,
        failure_modes=layer.failure_modes,
        limit=layer.limit,
    )


def earlier_pairs(resolved: Resolved, earlier: Sequence[Unit], run: Path) -> list[Pair]:
    """The pairs that earlier units trained on, harmful ones apart."""
    found: dict[str, Pair] = {}
    for unit in earlier:
        if unit.layer is None or (unit.layer.kind == "dpo" and not unit.layer.flipped):
            found |= {pair.id: pair for pair in pairs_for(resolved, unit, run)}
    return list(found.values())


def earlier_lessons(resolved: Resolved, earlier: Sequence[Unit], run: Path) -> list[Lesson]:
    """The lessons that earlier units trained on, and the chosen answers of earlier pairs."""
    found: dict[str, Lesson] = {}
    for unit in earlier:
        if unit.layer is not None and unit.layer.kind == "sft":
            found |= {lesson.id: lesson for lesson in lessons_for(unit)}
    for pair in earlier_pairs(resolved, earlier, run):
        lesson = Lesson(f"pair-{pair.id}", pair.prompt, pair.chosen, pair.failure_mode)
        found[lesson.id] = lesson
    return list(found.values())


def with_replay(own: Sequence[_T], pool: Sequence[_T], share: float, seed: int) -> list[_T]:
    """Rows of a layer with rows of earlier layers mixed in.

    Args:
        own: The layer's own rows, all of which stay.
        pool: Rows of earlier layers.
        share: Share of all rows that come from the pool, in [0, 1); less if it is small.
        seed: Of the draw.
    """
    wanted = min(len(pool), round(len(own) * share / (1 - share)))
    drawn = random.Random(seed).sample(list(pool), wanted)  # noqa: S311
    return [*own, *drawn]


def _belongs(pair: Pair, layer: LayerConfig) -> bool:
    named = {principle.split("/")[0] for principle in pair.principles}
    return (layer.archetypes is None or bool(named & set(layer.archetypes))) and (
        layer.failure_modes is None or pair.failure_mode in layer.failure_modes
    )
