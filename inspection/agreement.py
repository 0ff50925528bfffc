"""How far a reviewer agrees with the labels of pairs, and with a critic's comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..critic.critic_report import Kappa, cohen_kappa
from ..stats.intervals import Rate
from .review import Review, ReviewedPair


@dataclass(frozen=True, slots=True)
class Agreement:
    """One slice of a review.

    Attributes:
        what: `label`, `critic's comparison`, or a role.
        agreed: Decided pairs in which the reviewer prefers what the label does.
        ties: Pairs the reviewer held equal; they are in neither number of `agreed`.
        kappa: Cohen's kappa of reviewer and label over the decided pairs.
    """

    what: str
    agreed: Rate
    ties: int
    kappa: Kappa


def agreements(review: Review, *, seed: int = 0) -> list[Agreement]:
    """The label over all pairs, by role, and where the label is a critic's comparison.

    A label by construction is no judgement of a critic: pairs with such a label say
    nothing about the critic, and without others there is no row for it.

    Args:
        review: The sheet read back.
        seed: Of the bootstrap.
    """
    rows = review.rows
    slices: list[tuple[str, Sequence[ReviewedPair]]] = [("label", rows)]
    slices += [
        (f"label, {role.replace('_', ' ')}", [row for row in rows if row.pair.role == role])
        for role in ("at_risk", "twin")
    ]
    slices.append(("critic's comparison", [r for r in rows if r.pair.label == "comparison"]))
    return [_agreement(what, found, seed) for what, found in slices if found]


def _agreement(what: str, rows: Sequence[ReviewedPair], seed: int) -> Agreement:
    decided = [row for row in rows if row.said != "tie"]
    return Agreement(
        what,
        Rate(sum(row.said == row.labelled for row in decided), len(decided)),
        len(rows) - len(decided),
        cohen_kappa([r.said for r in decided], [r.labelled for r in decided], seed=seed),
    )
