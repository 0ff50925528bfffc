"""The rejected side: the policy's own answer, made to fail where a plain one would not."""

from __future__ import annotations

from collections.abc import Sequence

from ..constitution.principle import Constitution
from ..critic.frames import fill_frames
from ..llm.request import Model
from .attempt import Attempt, pick_failing_opening
from .filters import opens_with_refusal
from .plain_answer import plain_answer_fails, refusal_avoids_failure
from .stage import OnStage, announce


async def write_rejected(
    attempts: Sequence[Attempt],
    constitution: Constitution,
    policy: Model,
    on_stage: OnStage | None,
) -> None:
    """Writes the rejected side: plain where a plain answer fails, elicited elsewhere.

    A prompt that should be refused and that the policy refuses by itself does not show
    the failure either; there the draft is elicited in a second pass.
    """
    announce(on_stage, "draft", len(attempts))
    elicited = [not plain_answer_fails(attempt.prompt) for attempt in attempts]
    await _write_drafts(attempts, elicited, constitution, policy, "draft")
    refused = [a for a, led in zip(attempts, elicited, strict=True) if not led and _holds_back(a)]
    if refused:
        announce(on_stage, "draft 2", len(refused))
        await _write_drafts(refused, [True] * len(refused), constitution, policy, "draft/1")


def _holds_back(attempt: Attempt) -> bool:
    return refusal_avoids_failure(attempt.prompt) and opens_with_refusal(attempt.rejected)


async def _write_drafts(
    attempts: Sequence[Attempt],
    elicited: Sequence[bool],
    constitution: Constitution,
    policy: Model,
    step: str,
) -> None:
    jobs = []
    for attempt, failing in zip(attempts, elicited, strict=True):
        opening = pick_failing_opening(attempt, constitution, step) if failing else ""
        jobs.append(attempt.job(step, attempt.prompt.messages, opening, whole=False))
    for attempt, filled in zip(attempts, await fill_frames(policy, jobs), strict=True):
        attempt.rejected = attempt.take("draft", filled)
