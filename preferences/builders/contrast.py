"""Pairs by contrasted prompts (RLCD, Yang et al. 2023, arXiv 2307.12950).

The same model answers the same prompt twice: once told to keep the principle, once told
to break it, with near-identical instructions. Which instruction was given is the label,
unless a comparison may set it; each side is prefilled with an opening of its pole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...constitution.principle import Constitution
from ...critic.frames import fill_frames
from ...llm.message import Message
from ...llm.request import Model
from ...prompts.prompt import Prompt
from ...prompts.template import render
from ..settings import PairSettings
from .attempt import (
    Attempt,
    BuildResult,
    finish,
    pick_failing_opening,
    pick_good_opening,
    start,
    still_open,
)
from .labelling import label
from .overlap import in_groups
from .plain_answer import plain_answer_serves
from .roles import SILENT, Models, Progress

NAME = "contrast"


async def build(
    prompts: Sequence[Prompt],
    constitution: Constitution,
    models: Models,
    settings: PairSettings,
    *,
    progress: Progress = SILENT,
) -> BuildResult:
    """Writes both sides of every pair.

    Args:
        prompts: At-risk prompts and twins.
        constitution: Principles to route from.
        models: The policy writes both sides; the comparator compares where it may label.
        settings: How to build; `critique_tokens` is not used.
        progress: Who is told how far it is.

    Returns:
        Pairs in prompt order and the ledger of attempts.

    Raises:
        OutcomeError: More than `max_failed_share` of the attempts made no pair.
    """
    attempts = start(prompts, constitution, settings)

    async def work(group: list[Attempt]) -> None:
        await _write(group, constitution, models.policy, progress)
        await label(group, constitution, models, settings, progress)

    await in_groups(attempts, (models.policy, models.comparator), work, progress)
    return finish(attempts, NAME, settings)


async def _write(
    attempts: Sequence[Attempt],
    constitution: Constitution,
    policy: Model,
    progress: Progress,
) -> None:
    """The failing side of every attempt, then the good one."""
    work = still_open(attempts)
    progress.stage("failing", len(work))
    jobs = [
        a.job(
            "failing", _instructed(a, good=False), pick_failing_opening(a, constitution, "failing")
        )
        for a in work
    ]
    for attempt, filled in zip(work, await fill_frames(policy, jobs), strict=True):
        attempt.rejected = attempt.take("failing", filled)
    work = still_open(attempts)
    progress.stage("good", len(work))
    jobs = [a.job("good", *_good_side(a)) for a in work]
    for attempt, filled in zip(work, await fill_frames(policy, jobs), strict=True):
        attempt.chosen = attempt.take("good", filled)


def _good_side(attempt: Attempt) -> tuple[tuple[Message, ...], str]:
    """Messages and opening of the chosen answer; a share of the harmless goes unprefilled."""
    plain = attempt.generator("good/plain").random() < attempt.settings.share_unprefilled
    if plain and plain_answer_serves(attempt.prompt):
        return attempt.prompt.messages, ""
    return _instructed(attempt, good=True), pick_good_opening(attempt, "good")


def _instructed(attempt: Attempt, *, good: bool) -> tuple[Message, ...]:
    """The conversation with the instruction added to its last message."""
    *earlier, last = attempt.prompt.messages
    principle = attempt.applied
    if good:
        content = render(
            "contrast_good", {"prompt": last.content, "statement": principle.statement}
        )
    else:
        content = render(
            "contrast_failing", {"prompt": last.content, "negative": principle.negative}
        )
    return (*earlier, replace(last, content=content))
