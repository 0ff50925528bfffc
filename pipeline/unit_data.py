"""What one layer trains on: its own rows, and those it replays from earlier layers."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ..errors import PairError, TrainingError
from ..preferences.dataset import Pairs
from ..preferences.label_accuracy import Said, Standing, earned, reviewed, standings
from ..preferences.pair import Pair
from ..preferences.selection import Trust, select
from ..prompts.lessons import Lesson, load_lessons
from .layer import LayerConfig
from .resolved import Resolved
from .unit import Unit

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LabelStanding:
    """How far the labels of one pairs file are trusted; see `label_accuracy`."""

    table: list[Standing]
    said: dict[str, Said]
    trust: Trust


def label_standing(resolved: Resolved, pairs: Path) -> LabelStanding:
    """What is known of the labels by construction in a pairs file of the run, by now.

    A constitution turned around is trained on as it was built: that is its purpose.

    Raises:
        PairError: The pairs, the outcomes beside them or a review cannot be read.
    """
    trust: Trust = "all" if resolved.archetypes.inverted else resolved.selection.trust
    said = reviewed(resolved.folder)
    outcomes = pairs.with_name("31_outcomes.json")
    try:
        tallies = json.loads(outcomes.read_text("utf-8")).get("labels", {})
    except (OSError, ValueError, AttributeError) as error:
        fix = "build the pairs again: `anlage pairs CONFIG --again`; stored calls cost nothing"
        raise PairError.one("D002", str(outcomes), f"cannot be read: {error}", fix) from None
    return LabelStanding(standings(Pairs.load(pairs), tallies, said, trust), said, trust)


def pairs_for(resolved: Resolved, unit: Unit, run: Path) -> list[Pair]:
    """The pairs of a unit's own.

    Raises:
        PairError: The pairs file cannot be read, or no label earned its place.
        TrainingError: The layer's choice leaves none.
    """
    layer = unit.layer
    source = Path(layer.data) if layer and layer.data else run / unit.pairs
    if layer and layer.data:
        built = Pairs.load(source)
    else:
        labels = label_standing(resolved, source)
        every = earned(Pairs.load(source), labels.table, labels.said, labels.trust)
        built = select(every, resolved.selection)
    if layer is None:
        return resolved.select_pairs(built)
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
