"""Draws labelled pairs for a measurement that cannot afford them all, alike from every slice."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

from ..files.seeds import derive_seed
from .labelled_pair import LabelledPair

_P = TypeVar("_P", bound=LabelledPair)


def balanced_sample(
    pairs: Sequence[_P],
    *,
    limit: int | None = None,
    per_slice: int | None = None,
    seed: int = 0,
) -> list[_P]:
    """Pairs drawn in turn from every failure mode and role, until a limit is reached.

    Slices whose pairs run out leave their share to the others. The draw depends
    on the seed and on which pairs there are, not on the order of the slices.

    Args:
        pairs: All labelled pairs.
        limit: Most pairs in all; None for no limit.
        per_slice: Most pairs of one failure mode and role; None for no limit.
        seed: Of the draw.

    Returns:
        The chosen pairs in the order of `pairs`.
    """
    slices: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, pair in enumerate(pairs):
        slices[pair.failure_mode, pair.role].append(index)
    drawn: list[tuple[int, str, str, int]] = []
    for (mode, role), members in slices.items():
        generator = random.Random(derive_seed(seed, "labelled", mode, role))  # noqa: S311
        order = generator.sample(members, len(members))[:per_slice]
        drawn += [(turn, mode, role, index) for turn, index in enumerate(order)]
    chosen = sorted(index for _, _, _, index in sorted(drawn)[:limit])
    return [pairs[index] for index in chosen]
