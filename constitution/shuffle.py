"""Two controls: the same principles in places where they do not belong.

`shuffled` deals the texts out at random, so that only the fit is lost. It differs from the
constitution in that alone: no place keeps a text of its own failure mode, and none gets one
of the mode that threatens when its own is avoided too hard (`opposite`), since such a text
asks for the failure itself and the control would measure an attack. That is `inverted`,
which does exactly this everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..archetypes.vocabulary import opposite
from ..errors import ConfigurationError, Problem
from .principle import Constitution, Principle


def shuffled(constitution: Constitution, *, seed: int) -> Constitution:
    """Gives each principle the texts of one that guards against an unrelated failure mode.

    Where and how often a principle is applied stays (its id, failure mode, cues,
    weight and precedence); what it says moves. So number of prompts, routing and the
    texts as a whole are those of the real constitution; only the fit is gone. An
    effect that is left here is not an effect of the right rule in the right place.

    Unrelated: neither the place's own mode nor its opposite. Where there are enough
    principles, a mode whose opposite is the place's is not taken either. Provenance still
    names the place, not the origin of the text.

    Args:
        constitution: The principles.
        seed: Seeds the deal; at least 0. Deals of different seeds are independent.

    Raises:
        ConfigurationError: There is no such deal: too few principles of other modes.
    """
    places = sorted(constitution.principles, key=lambda p: p.id)
    generator = random.Random(seed)  # noqa: S311  # a draw, no secret
    for fits in (_unrelated, _not_inverted):
        donors = _deal(places, fits, generator)
        if donors is not None:
            return _dealt(constitution, donors)
    modes = ", ".join(sorted({p.failure_mode for p in places})) or "none"
    raise ConfigurationError(
        [
            Problem(
                "R005",
                "error",
                "archetypes.shuffle_seed",
                0,
                "these principles cannot be shuffled: not every one can get the texts of another "
                f"failure mode that is not its opposite (failure modes: {modes})",
                "add archetypes of other failure modes, or leave `shuffled` out of `controls`; "
                "`inverted` needs the opposite modes only",
            )
        ]
    )


def inverted(constitution: Constitution, *, seed: int = 0) -> Constitution:
    """Gives each principle the texts of one that guards against the opposite failure mode.

    Args:
        constitution: The principles.
        seed: Seeds the draw among several such texts.

    Raises:
        ConfigurationError: A failure mode whose opposite no principle guards against.
    """
    generator = random.Random(seed)  # noqa: S311
    by_mode: dict[str, list[Principle]] = {}
    for principle in sorted(constitution.principles, key=lambda p: p.id):
        by_mode.setdefault(principle.failure_mode, []).append(principle)
    missing = sorted(mode for mode in by_mode if opposite(mode) not in by_mode)
    if missing:
        lacking = ", ".join(f"{opposite(mode)} (opposite of {mode})" for mode in missing)
        message = f"these principles cannot be inverted: none guards against {lacking}"
        fix = "add archetypes that guard against them, or leave `inverted` out"
        raise ConfigurationError([Problem("R005", "error", "archetypes.inverted", 0, message, fix)])
    donors: dict[str, Principle] = {}
    for mode, places in by_mode.items():
        others = by_mode[opposite(mode)][:]
        generator.shuffle(others)
        donors |= {place.id: others[i % len(others)] for i, place in enumerate(places)}
    return _dealt(constitution, donors)


def _not_inverted(place: Principle, donor: Principle) -> bool:
    return donor.failure_mode not in (place.failure_mode, opposite(place.failure_mode))


def _unrelated(place: Principle, donor: Principle) -> bool:
    return _not_inverted(place, donor) and opposite(donor.failure_mode) != place.failure_mode


def _deal(
    places: Sequence[Principle],
    fits: Callable[[Principle, Principle], bool],
    generator: random.Random,
) -> dict[str, Principle] | None:
    """A random one-to-one deal in which every donor fits its place, or None if there is none.

    A matching by augmenting paths (Kuhn), places and candidates in random order.
    """
    order = list(range(len(places)))
    generator.shuffle(order)
    candidates: dict[int, list[int]] = {}
    for place in order:
        found = [i for i, donor in enumerate(places) if fits(places[place], donor)]
        generator.shuffle(found)
        candidates[place] = found
    taken: dict[int, int] = {}  # donor -> place
    for place in order:
        if not _augment(place, candidates, taken, set()):
            return None
    return {places[place].id: places[donor] for donor, place in taken.items()}


def _augment(
    place: int, candidates: Mapping[int, Sequence[int]], taken: dict[int, int], seen: set[int]
) -> bool:
    """Finds a donor for the place, moving others on where that is needed."""
    for donor in candidates[place]:
        if donor not in taken:
            taken[donor] = place
            return True
    for donor in candidates[place]:
        if donor in seen:
            continue
        seen.add(donor)
        if _augment(taken[donor], candidates, taken, seen):
            taken[donor] = place
            return True
    return False


def _dealt(constitution: Constitution, donors: Mapping[str, Principle]) -> Constitution:
    principles = tuple(_with_texts_of(p, donors[p.id]) for p in constitution.principles)
    return Constitution(principles, constitution.sources)


def _with_texts_of(place: Principle, donor: Principle) -> Principle:
    return replace(
        place,
        situation=donor.situation,
        statement=donor.statement,
        negative=donor.negative,
        critique=donor.critique,
        revise=donor.revise,
        compare=donor.compare,
        openings=donor.openings,
    )
