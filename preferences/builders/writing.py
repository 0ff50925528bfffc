"""The rejected side: the policy's own answer, made to fail where a plain one would not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...constitution.principle import Constitution
from ...critic.critique import Critique, revision_job
from ...critic.frames import FrameJob, fill_frames
from ...llm.request import Model, Outcome
from ...prompts.prompt import threat
from ..filters import chosen_reason, copies, opens_with_refusal, same_text
from ..settings import PairSettings
from .attempt import Attempt, pick_failing_opening, pick_good_opening
from .plain_answer import plain_answer_fails, plain_answer_serves, refusal_avoids_failure
from .roles import Progress


async def write_rejected(
    attempts: Sequence[Attempt],
    constitution: Constitution,
    policy: Model,
    progress: Progress,
) -> None:
    """Writes the rejected side: plain where a plain answer fails, elicited elsewhere.

    A prompt that should be refused and that the policy refuses by itself does not show
    the failure either; there the draft is elicited in a second pass.
    """
    progress.stage("draft", len(attempts))
    elicited = [not plain_answer_fails(attempt.prompt) for attempt in attempts]
    await _write_drafts(attempts, elicited, constitution, policy, "draft")
    refused = [a for a, led in zip(attempts, elicited, strict=True) if not led and _holds_back(a)]
    if refused:
        progress.stage("draft 2", len(refused))
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


COPIES = "chosen copies its instructions"


async def revise(
    attempts: Sequence[Attempt],
    critiques: Mapping[str, Critique],
    policy: Model,
    settings: PairSettings,
    progress: Progress,
) -> None:
    """Writes the chosen side from draft and critique; again where a filter would object.

    Prompts without an entry in `critiques` were not criticised.
    """
    work = list(attempts)
    for number in range(settings.tries):
        progress.stage("revision" if not number else f"revision {number + 1}", len(work))
        step = "revision" if not number else f"revision/{number}"
        jobs = [_job(attempt, critiques.get(attempt.prompt.id), step) for attempt in work]
        for attempt, filled in zip(work, await fill_frames(policy, jobs), strict=True):
            attempt.chosen = attempt.take("revision", filled)
        objected = [(a, objection(a, critiques.get(a.prompt.id))) for a in work]
        work = [attempt for attempt, why in objected if why]
        for attempt, why in objected:
            if why and number + 1 < settings.tries:
                attempt.note, attempt.outcome = f"revised again: {why}", None
            elif why == COPIES:
                attempt.outcome = Outcome("filtered", COPIES)
        if not work:
            return


def objection(attempt: Attempt, found: Critique | None) -> str:
    """Why this revision should be written again, or ""."""
    if attempt.outcome is not None:
        return attempt.outcome.reason or attempt.outcome.kind
    rule = attempt.applied
    reason = found.reason if found else ""
    shown = " / ".join((reason, rule.statement, rule.negative, rule.situation))
    allowed = " / ".join((attempt.prompt.text, *rule.openings.good))
    if copies(shown, attempt.chosen, allowed=allowed):
        return COPIES
    if same_text(attempt.chosen, attempt.rejected):
        return "it repeats the draft"
    asked, danger = attempt.prompt.text, threat(attempt.prompt)
    return chosen_reason(asked, attempt.chosen, danger, attempt.settings)


def _job(attempt: Attempt, found: Critique | None, step: str) -> FrameJob:
    """The revision of one draft; where a plain answer is good, on a share simply that.

    A repeated revision is written without draft and critique: what went wrong the
    first time is mostly a small model copying them.
    """
    settings = attempt.settings
    plain = attempt.generator(f"{step}/plain").random() < settings.share_unprefilled
    if plain and plain_answer_serves(attempt.prompt):
        return attempt.job(step, attempt.prompt.messages, "")
    if step != "revision" or settings.revision_context == "prompt":
        return attempt.job(step, attempt.prompt.messages, pick_good_opening(attempt, step))
    return revision_job(
        attempt.prompt,
        found,
        None if settings.revision_context == "critique_alone" else attempt.applied,
        opening=pick_good_opening(attempt, step),
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=attempt.seed(step),
    )
