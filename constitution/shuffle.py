"""Makes a control constitution: the same principles with their texts dealt to wrong places."""

from __future__ import annotations

import random
from dataclasses import replace

from .principle import Constitution, Principle


def shuffled(constitution: Constitution, *, seed: int) -> Constitution:
    """Gives each principle the texts of one that guards against another failure mode.

    Where and how often a principle is applied stays (its id, failure mode, cues,
    weight and precedence); what it says moves. So number of prompts, routing and the
    texts as a whole are those of the real constitution; only the fit is gone. An
    effect that is left here is not an effect of the right rule in the right place.

    Where one failure mode holds more than half of all principles, some of its places
    keep a text of their own mode: there are not enough others. Provenance still names
    the place, not the origin of the text.

    Args:
        constitution: At least two principles of different failure modes, or it comes
            back as it is.
        seed: Seeds the deal; at least 0.
    """
    places = _by_mode(constitution.principles, random.Random(seed))  # noqa: S311
    sizes = [sum(p.failure_mode == q.failure_mode for q in places) for p in places]
    if not places or max(sizes) == len(places):
        return constitution
    # Turned by the size of the largest group, no group meets itself where that is possible.
    turn = max(sizes)
    donors = {place.id: places[(index + turn) % len(places)] for index, place in enumerate(places)}
    dealt = tuple(_with_texts_of(p, donors[p.id]) for p in constitution.principles)
    return Constitution(dealt, constitution.sources)


def _by_mode(principles: tuple[Principle, ...], generator: random.Random) -> list[Principle]:
    """All principles, those of one failure mode together; modes and principles in random order."""
    modes = sorted({p.failure_mode for p in principles})
    generator.shuffle(modes)
    ordered: list[Principle] = []
    for mode in modes:
        group = sorted((p for p in principles if p.failure_mode == mode), key=lambda p: p.id)
        generator.shuffle(group)
        ordered += group
    return ordered


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
