"""Which of the built pairs a training uses: a choice that asks no model anything."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import PairError
from .dataset import Pairs
from .pair import Pair

Trust = Literal["measured", "weighed", "strict", "all"]


class PairSelection(BaseModel):
    """Which pairs are trained on, out of all that were built.

    The pairs themselves stay as they are, so runs that differ here alone share every
    model call. Leaving an archetype out this way also leaves out its prompts: the
    training set gets smaller, which `limit` can make equal between runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    without: tuple[str, ...] = ()
    """Archetype ids or full principle ids whose pairs are left out."""
    only: tuple[str, ...] | None = None
    """Archetype ids or full principle ids whose pairs are kept; null for all."""
    limit: int | None = Field(default=None, ge=1)
    """Most pairs, drawn with the seed; null for all."""
    share: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the pairs that is kept, in (0, 1], drawn with the seed."""
    labels: Literal["soft", "hard"] = "soft"
    """`hard` sets every `p_chosen` to 1."""
    trust: Trust = "measured"
    """What is done about failure modes whose labels by construction were not shown right (the
    lower 95% end of the share of right labels under 0.7): `measured` leaves them out;
    `weighed` trains them with the measured share as `p_chosen`, and leaves out those under
    0.5; both train modes that nobody measured. `strict` leaves these out, too; `all` trains
    every pair as it was built."""
    seed: int = Field(default=0, ge=0)
    """Seeds the draw of `limit` and `share`."""

    @property
    def is_all(self) -> bool:
        """Whether every pair is kept as it is."""
        return self == PairSelection(seed=self.seed)


def select(pairs: Iterable[Pair], selection: PairSelection) -> Pairs:
    """The chosen pairs in their old order.

    Draws are nested: the pairs of a smaller `limit` are among those of a larger one.

    Raises:
        PairError: No pair is left.
    """
    if selection.is_all:
        return Pairs(pairs)
    kept = [pair for pair in pairs if _is_wanted(pair, selection)]
    order = list(range(len(kept)))
    random.Random(selection.seed).shuffle(order)  # noqa: S311
    count = round(selection.share * len(kept))
    count = min(count, selection.limit) if selection.limit is not None else count
    chosen = sorted(order[: max(count, min(1, len(kept)))])
    if not chosen:
        fix = "name archetypes or principles that have pairs; 31_outcomes.json counts them"
        message = f"`selection` leaves no pair (only {selection.only}, without {selection.without})"
        raise PairError.one("U001", "selection", message, fix)
    hard = selection.labels == "hard"
    return Pairs(replace(kept[i], p_chosen=1.0) if hard else kept[i] for i in chosen)


def _is_wanted(pair: Pair, selection: PairSelection) -> bool:
    names = {name for full in pair.principles for name in (full, full.split("/")[0])}
    if names & set(selection.without):
        return False
    return selection.only is None or bool(names & set(selection.only))
