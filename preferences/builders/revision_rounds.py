"""Further rounds of critique and revision, each under another principle.

Constitutional AI revises several times, with a principle drawn anew each time (Bai et al.
2022, section 3.1). A later revision replaces the earlier one only where nothing speaks
against it: it passes the filters, says something else, and is the better one wherever a
comparison may say so.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...constitution.principle import Constitution, Principle
from ...critic.compare import ComparisonItem, compare
from ...critic.critique import Critique, CritiqueItem, critique, revision_job
from ...critic.frames import FrameJob, fill_frames
from ...critic.routing import route
from ...files.seeds import derive_seed
from ...llm.request import Model
from ...prompts.prompt import threat
from ..filters import chosen_reason, copies, same_text
from .attempt import Attempt, still_open
from .labelling import may_compare
from .roles import Models, Progress


async def revise_further(
    attempts: Sequence[Attempt],
    constitution: Constitution,
    models: Models,
    progress: Progress,
) -> None:
    """Rounds two to `settings.revisions` of the attempts that have a revision."""
    for number in range(2, _rounds(attempts) + 1):
        work = [(a, p) for a in still_open(attempts) if (p := _principle(a, constitution, number))]
        if not work:
            return
        said = await _criticised(work, models.critic, number, progress)
        progress.stage(f"revision of round {number}", len(said))
        jobs = [_job(a, p, c, number) for a, p, c in said]
        proposed: list[tuple[Attempt, Principle, str]] = []
        for (attempt, principle, result), filled in zip(
            said, await fill_frames(models.policy, jobs), strict=True
        ):
            keys = result.keys if result else ()
            attempt.calls[f"round {number}"] = keys + filled.keys
            if filled.outcome.kind == "ok" and _better_form(
                attempt, principle, result, filled.text
            ):
                proposed.append((attempt, principle, filled.text))
        for attempt, principle, text in await _preferred(proposed, models):
            attempt.chosen, attempt.also = text, (*attempt.also, principle.id)


async def _criticised(
    work: Sequence[tuple[Attempt, Principle]],
    critic: Model,
    number: int,
    progress: Progress,
) -> list[tuple[Attempt, Principle, Critique | None]]:
    """What is to be revised: all of it without a critic, else what it gave a reason for."""
    settings = work[0][0].settings
    if not settings.asks_critic:
        return [(attempt, principle, None) for attempt, principle in work]
    progress.stage(f"critique {number}", len(work))
    items = [CritiqueItem(a.prompt, a.chosen, principle) for a, principle in work]
    found = await critique(critic, items, max_tokens=settings.critique_tokens, verdicts=False)
    return [(a, p, c) for (a, p), c in zip(work, found, strict=True) if c.reason]


def _rounds(attempts: Sequence[Attempt]) -> int:
    return attempts[0].settings.revisions if attempts else 0


def _principle(attempt: Attempt, constitution: Constitution, number: int) -> Principle | None:
    """Another principle than the ones applied, drawn by shared cues; None if there is none."""
    applied = {attempt.applied.id, *attempt.also}
    others = [principle for principle in constitution if principle.id not in applied]
    return route(attempt.prompt, others, seed=derive_seed(attempt.seed("round"), number))


def _job(attempt: Attempt, principle: Principle, found: Critique | None, number: int) -> FrameJob:
    """The answer once more, begun as the earlier revision may have been."""
    settings, step = attempt.settings, f"round/{number}"
    good = principle.openings.good
    opening = attempt.generator(step).choice(good) if good else ""
    shows_rule = settings.revision_context in ("critique", "rule")
    return revision_job(
        attempt.prompt,
        found,
        principle if shows_rule else None,
        opening=opening,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        seed=attempt.seed(step),
    )


def _better_form(attempt: Attempt, principle: Principle, found: Critique | None, text: str) -> bool:
    """True if nothing in its form speaks against the text."""
    reason = found.reason if found else ""
    shown = " / ".join((reason, principle.statement, principle.negative, principle.situation))
    allowed = " / ".join((attempt.prompt.text, *principle.openings.good))
    return not (
        same_text(text, attempt.chosen)
        or same_text(text, attempt.rejected)
        or copies(shown, text, allowed=allowed)
        or chosen_reason(attempt.prompt.text, text, threat(attempt.prompt), attempt.settings)
    )


async def _preferred(
    proposed: Sequence[tuple[Attempt, Principle, str]], models: Models
) -> list[tuple[Attempt, Principle, str]]:
    """Those that a comparison prefers to the earlier revision, or that none may judge."""
    judged = [row for row in proposed if may_compare(row[0], models.allows)]
    items = [
        ComparisonItem(attempt.prompt.messages, principle.compare, text, attempt.chosen)
        for attempt, principle, text in judged
    ]
    settings = judged[0][0].settings if judged else None
    found = (
        await compare(models.comparator, items, votes=settings.votes, seed=settings.seed)
        if settings
        else []
    )
    worse = {
        id(row[0])
        for row, comparison in zip(judged, found, strict=True)
        if comparison.outcome != "first"
    }
    return [row for row in proposed if id(row[0]) not in worse]
