"""Soft labels from comparisons, where the comparator may set them."""

from __future__ import annotations

from collections.abc import Sequence

from ...constitution.principle import Constitution
from ...critic.compare import AnswerComparison, ComparisonItem, compare, merge
from ...critic.routing import panel
from ...llm.request import Model, Outcome
from ..settings import PairSettings
from .attempt import Attempt, still_open, verdict
from .roles import Allows, Models, Progress

PREFERS_REJECTED = "the comparison prefers the rejected answer"


def may_compare(attempt: Attempt, allows: Allows) -> bool:
    """True if a comparison may set this attempt's label."""
    policy = attempt.settings.labels
    if policy == "calibrated":
        return allows(attempt.prompt.failure_mode, attempt.prompt.role)
    return policy == "comparison"


async def label(
    attempts: Sequence[Attempt],
    constitution: Constitution,
    models: Models,
    settings: PairSettings,
    progress: Progress,
) -> None:
    """Compares both sides of the attempts whose label a comparison may set.

    Chosen better: its probability, clamped, becomes `p_chosen`. Rejected better: the
    attempt ends `filtered`, since a revision that the comparison holds worse is not
    learnt from. Equal: `tie`. The others keep their label by construction. What a filter
    throws out is not paid for.
    """
    work = [
        attempt
        for attempt in still_open(attempts)
        if may_compare(attempt, models.allows) and verdict(attempt).kind in ("ok", "repaired")
    ]
    if not work:
        return
    progress.stage("comparison", len(work))
    sides = [(attempt.chosen, attempt.rejected) for attempt in work]
    found = await judge(work, sides, constitution, models.comparator, settings)
    for attempt, comparison in zip(work, found, strict=True):
        if comparison.keys:
            attempt.calls["comparison"] = comparison.keys
        attempt.outcome = outcome_of(comparison)
        attempt.label, attempt.p_chosen = "comparison", clamp(comparison.p_first, settings)


async def judge(
    attempts: Sequence[Attempt],
    sides: Sequence[tuple[str, str]],
    constitution: Constitution,
    comparator: Model,
    settings: PairSettings,
) -> list[AnswerComparison]:
    """One comparison per attempt, by up to `settings.ensemble` principles."""
    items: list[ComparisonItem] = []
    sizes: list[int] = []
    for attempt, (first, second) in zip(attempts, sides, strict=True):
        judges = panel(
            attempt.prompt,
            constitution,
            attempt.applied,
            size=settings.ensemble,
            seed=attempt.seed("panel"),
        )
        sizes.append(len(judges))
        items += [
            ComparisonItem(attempt.prompt.messages, principle.compare, first, second)
            for principle in judges
        ]
    found = iter(await compare(comparator, items, votes=settings.votes, seed=settings.seed))
    return [merge([next(found) for _ in range(size)]) for size in sizes]


def outcome_of(comparison: AnswerComparison) -> Outcome | None:
    """How an attempt with this comparison ends; None where the first side is better."""
    if comparison.outcome == "first":
        return None
    if comparison.outcome == "second":
        return Outcome("filtered", PREFERS_REJECTED)
    if comparison.outcome == "tie":
        return Outcome("tie", "comparison: it changed with the order of the answers, or was even")
    if comparison.failed:
        return Outcome("error", f"comparison: {comparison.failed}")
    if comparison.refused:
        return Outcome("critic_refused", f"comparison: {comparison.refused}")
    return Outcome("malformed", "comparison: neither A nor B, or no finite number")


def clamp(probability: float, settings: PairSettings) -> float:
    """The probability within the settings' range."""
    low, high = settings.label_range
    return min(high, max(low, probability))
