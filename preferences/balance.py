"""Takes out of a set of pairs what gives its labels away without a principle.

DPO learns any surface that separates the sides. A logistic regression on surface features
(length, refusal wording, form) guesses which side is chosen; pairs that it guesses with
certainty teach the surface first. They are weighed down (a bias-only model as in Clark et
al. 2019, arXiv 1909.03683; He et al. 2019, arXiv 1908.10763) or dropped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..files.seeds import derive_seed
from .confounds import FEATURES, auc
from .pair import Pair

How = Literal["drop", "reweight"]

TELLING: Final = 0.65
"""`drop` stops once no feature's AUC is above this, or below 1 minus it."""
MOST_DROPPED: Final = 0.5
"""Largest share of the pairs that `drop` takes."""
LEAST_WEIGHT: Final = 0.1
"""Smallest relative weight that `reweight` gives."""
MIN_PAIRS: Final = 20
"""With fewer pairs nothing is fitted, and nothing changes."""


@dataclass(frozen=True, slots=True)
class Balanced:
    """A set of pairs after balancing, and what was done to it.

    Attributes:
        pairs: The pairs that are left, in their order, with their new weights.
        dropped: Ids of those that were taken out.
        worst_before: The AUC furthest from 0.5 before, as its distance from 0.5.
        worst_after: The same after, weights not counted.
        effective: Number of pairs that weigh as much: (sum w)^2 / sum w^2.
    """

    pairs: tuple[Pair, ...]
    dropped: tuple[str, ...]
    worst_before: float
    worst_after: float
    effective: float


def balance(pairs: Sequence[Pair], how: How) -> Balanced:
    """Drops or weighs down the pairs whose surface gives the label away.

    Args:
        pairs: The pairs of one build.
        how: `reweight` multiplies each weight by 2 (1 - q), q the probability with which
            the surface guesses the label right (cross-fitted in two halves), at least
            `LEAST_WEIGHT`, mean 1. `drop` takes out the pairs with the highest q until no
            feature tells (`TELLING`), at most `MOST_DROPPED` of them.

    Not covered: what the features do not see, such as topic words or style.
    """
    before = worst(pairs)
    if len(pairs) < MIN_PAIRS:
        return Balanced(tuple(pairs), (), before, before, _effective(pairs))
    guessed = _guessed(pairs)
    if how == "reweight":
        raw = [max(LEAST_WEIGHT, 2.0 * (1.0 - q)) for q in guessed]
        mean = sum(raw) / len(raw)
        kept = tuple(
            dataclasses.replace(pair, weight=pair.weight * value / mean)
            for pair, value in zip(pairs, raw, strict=True)
        )
        return Balanced(kept, (), before, before, _effective(kept))
    order = sorted(range(len(pairs)), key=lambda index: (-guessed[index], pairs[index].id))
    gone: set[int] = set()
    step = max(1, len(pairs) // 50)
    left = list(pairs)
    while worst(left) > TELLING - 0.5 and len(gone) + step <= MOST_DROPPED * len(pairs):
        gone.update(order[len(gone) : len(gone) + step])
        left = [pair for index, pair in enumerate(pairs) if index not in gone]
    dropped = tuple(pairs[index].id for index in sorted(gone))
    return Balanced(tuple(left), dropped, before, worst(left), _effective(left))


def worst(pairs: Sequence[Pair]) -> float:
    """The largest distance of a feature's AUC from 0.5; 0 without pairs."""
    return max(
        (
            abs(auc([f(p.chosen) for p in pairs], [f(p.rejected) for p in pairs]) - 0.5)
            for f in FEATURES.values()
        ),
        default=0.0,
    )


def _guessed(pairs: Sequence[Pair]) -> list[float]:
    """Probability that the surface guesses each label right, fitted on the other half."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    gaps = np.array(
        [[f(pair.chosen) - f(pair.rejected) for f in FEATURES.values()] for pair in pairs]
    )  # (P, F)
    half = np.array([derive_seed("balance", pair.prompt_id) % 2 for pair in pairs])
    found = np.full(len(pairs), 0.5)
    for side in (0, 1):
        seen, held = gaps[half != side], gaps[half == side]
        if len(seen) < 2 or not len(held):
            continue
        # Each pair once either way round: no intercept, nothing but the gap can speak.
        scale = StandardScaler(with_mean=False).fit(np.vstack([seen, -seen]))
        both = scale.transform(np.vstack([seen, -seen]))
        labels = np.array([1] * len(seen) + [0] * len(seen))
        model = LogisticRegression(fit_intercept=False).fit(both, labels)
        found[half == side] = model.predict_proba(scale.transform(held))[:, 1]
    return [float(value) for value in found]


def _effective(pairs: Sequence[Pair]) -> float:
    total = sum(pair.weight for pair in pairs)
    squares = sum(pair.weight**2 for pair in pairs)
    return total**2 / squares if squares else 0.0
