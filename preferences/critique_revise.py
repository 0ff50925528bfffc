"""Pairs by critique and revision (Constitutional AI, Bai et al. 2022, section 3.1).

chosen = revision, rejected = draft; the label follows from the construction. On an
at-risk prompt the draft is the policy's plain answer. On a twin a plain answer does not
fail, so the draft is elicited under the failing pole and revised into a plain, helpful
answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..constitution.principle import Constitution
from ..critic.critique import Critique, CritiqueItem, critique
from ..critic.frames import FrameJob, fill_frames
from ..critic.revise import revision_job
from ..critic.routing import threat
from ..llm.request import Model, Outcome
from ..prompts.prompt import Prompt
from .attempt import (
    Attempt,
    BuildResult,
    finish,
    pick_failing_opening,
    pick_good_opening,
    start,
    still_open,
)
from .filters import COMPLYING_FAILS, chosen_reason, copies, opens_with_refusal, same_text
from .settings import PairSettings
from .stage import OnStage, announce

NAME = "critique_revise"
COPIES = "chosen copies its instructions"


async def build(
    prompts: Sequence[Prompt],
    constitution: Constitution,
    policy: Model,
    critic: Model,
    settings: PairSettings,
    *,
    on_stage: OnStage | None = None,
) -> BuildResult:
    """Drafts, critiques and revises all prompts, stage by stage in full batches.

    Args:
        prompts: At-risk prompts and twins.
        constitution: Principles to route from.
        policy: Writes drafts and revisions.
        critic: Writes critiques; the policy itself by default elsewhere.
        settings: How to build.
        on_stage: Called with a stage's name and its number of answers before it runs.

    Returns:
        Pairs in prompt order and the ledger of attempts.

    Raises:
        OutcomeError: More than `max_failed_share` of the attempts made no pair.
    """
    attempts = start(prompts, constitution, settings)
    await _draft(still_open(attempts), constitution, policy, on_stage)
    critiques = await _critique(still_open(attempts), critic, settings, on_stage)
    await _revise(still_open(attempts), critiques, policy, settings, on_stage)
    return finish(attempts, NAME, settings)


async def _draft(
    attempts: Sequence[Attempt],
    constitution: Constitution,
    policy: Model,
    on_stage: OnStage | None,
) -> None:
    """Writes the rejected side: plain on at-risk prompts, elicited on twins.

    An at-risk prompt that the policy refuses by itself does not show the failure
    either; there the draft is elicited in a second pass.
    """
    announce(on_stage, "draft", len(attempts))
    twins = [attempt.prompt.role == "twin" for attempt in attempts]
    await _write_drafts(attempts, twins, constitution, policy, "draft")
    refused = [a for a, twin in zip(attempts, twins, strict=True) if not twin and _holds_back(a)]
    if refused:
        announce(on_stage, "draft 2", len(refused))
        await _write_drafts(refused, [True] * len(refused), constitution, policy, "draft/1")


def _holds_back(attempt: Attempt) -> bool:
    return threat(attempt.prompt) in COMPLYING_FAILS and opens_with_refusal(attempt.rejected)


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


async def _critique(
    attempts: Sequence[Attempt],
    critic: Model,
    settings: PairSettings,
    on_stage: OnStage | None,
) -> dict[str, Critique]:
    """Critiques the drafts; returns prompt id -> critique."""
    announce(on_stage, "critique", len(attempts))
    items = [CritiqueItem(a.prompt, a.rejected, a.applied) for a in attempts]
    found = await critique(critic, items, max_tokens=settings.critique_tokens, verdicts=False)
    for attempt, result in zip(attempts, found, strict=True):
        if result.keys:
            attempt.calls["critique"] = result.keys
        if result.outcome.kind == "repaired":
            attempt.note = result.outcome.reason
        elif result.outcome.kind != "ok":
            reason = result.outcome.reason
            attempt.outcome = Outcome(result.outcome.kind, f"critique: {reason}")
    return {a.prompt.id: result for a, result in zip(attempts, found, strict=True)}


async def _revise(
    attempts: Sequence[Attempt],
    critiques: dict[str, Critique],
    policy: Model,
    settings: PairSettings,
    on_stage: OnStage | None,
) -> None:
    """Writes the chosen side from draft and critique; again where a filter would object."""
    work = list(attempts)
    for number in range(settings.tries):
        announce(on_stage, "revision" if not number else f"revision {number + 1}", len(work))
        step = "revision" if not number else f"revision/{number}"
        jobs = [_revision(attempt, critiques[attempt.prompt.id], step) for attempt in work]
        for attempt, filled in zip(work, await fill_frames(policy, jobs), strict=True):
            attempt.chosen = attempt.take("revision", filled)
        objections = [(a, _objection(a, critiques[a.prompt.id])) for a in work]
        work = [attempt for attempt, objection in objections if objection]
        for attempt, objection in objections:
            if objection and number + 1 < settings.tries:
                attempt.note, attempt.outcome = f"revised again: {objection}", None
            elif objection == COPIES:
                attempt.outcome = Outcome("filtered", COPIES)
        if not work:
            return


def _objection(attempt: Attempt, found: Critique) -> str:
    """Why this revision should be written again, or ""."""
    if attempt.outcome is not None:
        return attempt.outcome.reason or attempt.outcome.kind
    rule = attempt.applied
    shown = " / ".join((found.reason, rule.statement, rule.negative, rule.situation))
    allowed = " / ".join((attempt.prompt.text, *rule.openings.good))
    if copies(shown, attempt.chosen, allowed=allowed):
        return COPIES
    if same_text(attempt.chosen, attempt.rejected):
        return "it repeats the draft"
    asked, danger = attempt.prompt.text, threat(attempt.prompt)
    return chosen_reason(asked, attempt.chosen, danger, attempt.settings)


def _revision(attempt: Attempt, found: Critique, step: str) -> FrameJob:
    """The revision of one draft; on a share of twins simply the model's plain answer.

    A repeated revision is written without draft and critique: what went wrong the
    first time is mostly a small model copying them.
    """
    settings = attempt.settings
    plain = attempt.generator(f"{step}/plain").random() < settings.share_unprefilled
    if attempt.prompt.role == "twin" and plain:
        return attempt.job(step, attempt.prompt.messages, "")
    if step != "revision" or settings.revision_context == "prompt":
        return attempt.job(step, attempt.prompt.messages, pick_good_opening(attempt, step))
    return revision_job(
        attempt.prompt,
        found,
        attempt.applied,
        opening=pick_good_opening(attempt, step),
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=attempt.seed(step),
    )
