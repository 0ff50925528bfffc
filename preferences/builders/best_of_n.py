"""Pairs by choice: the best of n answers of the policy against the worst, by the critic.

Best-of-n sampling with an AI judge (Bai et al. 2022, section 4; Yuan et al. 2024, arXiv
2401.10020, pair the best with the worst). The comparator sees every two answers in both
orders; an answer's score is its mean probability of being the better one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ...constitution.principle import Constitution
from ...critic.compare import AnswerComparison
from ...critic.frames import fill_frames
from ...llm.request import Model, Outcome
from ...prompts.prompt import Prompt, threat
from ..filters import chosen_reason, words
from ..settings import PairSettings
from .attempt import Attempt, BuildResult, finish, pick_failing_opening, start, still_open
from .labelling import clamp, judge, may_compare, outcome_of
from .overlap import in_groups
from .plain_answer import plain_answer_fails
from .roles import SILENT, Models, Progress

NAME = "best_of_n"
NOT_MEASURED = (
    "the comparator may not set labels here: its calibration does not show it better than a coin"
)


async def build(
    prompts: Sequence[Prompt],
    constitution: Constitution,
    models: Models,
    settings: PairSettings,
    *,
    progress: Progress = SILENT,
) -> BuildResult:
    """Samples, compares and picks.

    Args:
        prompts: At-risk prompts and twins. Where a plain answer rarely fails (twins), every
            second candidate is begun with a failing opening, so that there is a worst.
        constitution: Principles to route from.
        models: The policy writes all candidates, the comparator compares them. Where it may
            label nowhere, no pair is made.
        settings: How to build; `candidates` is n.
        progress: Who is told how far it is.

    Returns:
        Pairs in prompt order and the ledger of attempts.

    Raises:
        OutcomeError: More than `max_failed_share` of the attempts made no pair.
    """
    attempts = start(prompts, constitution, settings)
    for attempt in still_open(attempts):
        if not may_compare(attempt, models.allows):
            attempt.outcome = Outcome("filtered", NOT_MEASURED)

    async def work(group: list[Attempt]) -> None:
        candidates = await _sample(group, constitution, models.policy, settings, progress)
        await _choose(
            still_open(group), candidates, constitution, models.comparator, settings, progress
        )

    await in_groups(attempts, (models.policy, models.comparator), work, progress)
    return finish(attempts, NAME, settings)


async def _sample(
    attempts: Sequence[Attempt],
    constitution: Constitution,
    policy: Model,
    settings: PairSettings,
    progress: Progress,
) -> dict[str, list[str]]:
    """Prompt id -> its candidates that differ, in the order they were sampled."""
    progress.stage("candidates", len(attempts) * settings.candidates)
    turns = [(a, number) for a in attempts for number in range(settings.candidates)]
    jobs = []
    for attempt, number in turns:
        step = f"candidate/{number}"
        failing = number % 2 == 1 and not plain_answer_fails(attempt.prompt)
        opening = pick_failing_opening(attempt, constitution, step) if failing else ""
        jobs.append(attempt.job(step, attempt.prompt.messages, opening, whole=False))
    found: dict[str, list[str]] = {attempt.prompt.id: [] for attempt in attempts}
    seen: set[tuple[str, ...]] = set()
    last: dict[str, Outcome] = {}
    for (attempt, _), filled in zip(turns, await fill_frames(policy, jobs), strict=True):
        attempt.calls["candidates"] = attempt.calls.get("candidates", ()) + filled.keys
        said = (attempt.prompt.id, *words(filled.text))
        if filled.outcome.kind != "ok":
            last[attempt.prompt.id] = filled.outcome  # one lost candidate ends no attempt
        elif said not in seen:
            seen.add(said)
            found[attempt.prompt.id].append(filled.text)
    for attempt in attempts:
        if len(found[attempt.prompt.id]) < 2:
            alike = Outcome("no_op", "all candidates have the same words")
            attempt.outcome = last.get(attempt.prompt.id, alike)
    return found


async def _choose(
    attempts: Sequence[Attempt],
    candidates: dict[str, list[str]],
    constitution: Constitution,
    comparator: Model,
    settings: PairSettings,
    progress: Progress,
) -> None:
    """Compares every two candidates of an attempt and takes best and worst."""
    games = [
        (attempt, one, other)
        for attempt in attempts
        for one, other in combinations(range(len(candidates[attempt.prompt.id])), 2)
    ]
    progress.stage("comparison", len(games))
    sides = [(candidates[a.prompt.id][i], candidates[a.prompt.id][j]) for a, i, j in games]
    judged = await judge([a for a, _, _ in games], sides, constitution, comparator, settings)
    table: dict[str, dict[tuple[int, int], AnswerComparison]] = {}
    for (attempt, one, other), comparison in zip(games, judged, strict=True):
        table.setdefault(attempt.prompt.id, {})[one, other] = comparison
    for attempt in attempts:
        _take(attempt, candidates[attempt.prompt.id], table[attempt.prompt.id], settings)


def _take(
    attempt: Attempt,
    texts: Sequence[str],
    games: dict[tuple[int, int], AnswerComparison],
    settings: PairSettings,
) -> None:
    """Best and worst by mean probability; the label is what their own comparison says."""
    keys = tuple(key for game in games.values() for key in game.keys)
    if keys:
        attempt.calls["comparison"] = keys
    scores = [0.0] * len(texts)
    for (one, other), game in games.items():
        scores[one] += game.p_first
        scores[other] += 1.0 - game.p_first
    usable = [
        index
        for index, text in enumerate(texts)
        if not chosen_reason(attempt.prompt.text, text, threat(attempt.prompt), settings)
    ]
    best = max(usable or range(len(texts)), key=lambda index: (scores[index], -index))
    worst = min(
        (index for index in range(len(texts)) if index != best),
        key=lambda index: (scores[index], index),
    )
    attempt.chosen, attempt.rejected = texts[best], texts[worst]
    game = games[min(best, worst), max(best, worst)]
    game = game if best < worst else game.turned()
    attempt.outcome = outcome_of(game)
    attempt.label, attempt.p_chosen = "comparison", clamp(game.p_first, settings)
