"""The labelled pairs that come with the package, and a seeded draw from them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..archetypes.loader import load_archetypes
from .labelled_pair import LabelledPair
from .routing import derive_seed


def shipped_pairs() -> list[LabelledPair]:
    """The exemplars of all shipped archetypes, in the archetypes' order."""
    return [exemplar for archetype in load_archetypes() for exemplar in archetype.exemplars]


def sample(pairs: Sequence[LabelledPair], *, limit: int | None, seed: int) -> list[LabelledPair]:
    """At most `limit` pairs, in their order; all of them if None."""
    if limit is None or limit >= len(pairs):
        return list(pairs)
    generator = random.Random(derive_seed(seed, "labelled"))  # noqa: S311
    return [pairs[index] for index in sorted(generator.sample(range(len(pairs)), limit))]
