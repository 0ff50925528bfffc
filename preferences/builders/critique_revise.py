"""Pairs by critique and revision (Constitutional AI, Bai et al. 2022, section 3.1).

chosen = revision, rejected = draft. Where the policy's plain answer fails, as on most at-risk
prompts, that is the draft. Where it does not, as on a harmless twin, the draft is elicited
under the failing pole and revised into a plain, helpful answer. The label follows from the
construction, or from a comparison where the comparator may set one.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...constitution.principle import Constitution
from ...critic.critique import Critique, CritiqueItem, critique
from ...llm.request import Model, Outcome
from ...prompts.prompt import Prompt
from ..settings import PairSettings
from .attempt import Attempt, BuildResult, finish, start, still_open
from .labelling import label
from .overlap import in_groups
from .revision_rounds import revise_further
from .roles import SILENT, Models, Progress
from .writing import revise, write_rejected

NAME = "critique_revise"


async def build(
    prompts: Sequence[Prompt],
    constitution: Constitution,
    models: Models,
    settings: PairSettings,
    *,
    progress: Progress = SILENT,
) -> BuildResult:
    """Drafts, critiques, revises and, where that is allowed, compares all prompts.

    Stage by stage in full batches; where a chat model takes part the stages overlap.

    Args:
        prompts: At-risk prompts and twins.
        constitution: Principles to route from.
        models: The policy writes drafts and revisions, the critic critiques, and the
            comparator compares where it may label.
        settings: How to build.
        progress: Who is told how far it is.

    Returns:
        Pairs in prompt order and the ledger of attempts.

    Raises:
        OutcomeError: More than `max_failed_share` of the attempts made no pair.
    """
    attempts = start(prompts, constitution, settings)

    async def work(group: list[Attempt]) -> None:
        await write_rejected(group, constitution, models.policy, progress)
        critiques = await _critique(still_open(group), models.critic, settings, progress)
        await revise(still_open(group), critiques, models.policy, settings, progress)
        await revise_further(group, constitution, models, progress)
        await label(group, constitution, models, settings, progress)

    taking_part = (models.policy, models.critic, models.comparator)
    await in_groups(attempts, taking_part, work, progress)
    return finish(attempts, NAME, settings)


async def _critique(
    attempts: Sequence[Attempt],
    critic: Model,
    settings: PairSettings,
    progress: Progress,
) -> dict[str, Critique]:
    """Critiques the drafts; returns prompt id -> critique, {} where the critic is left out."""
    if not settings.asks_critic:
        return {}
    progress.stage("critique", len(attempts))
    verdicts = settings.min_severity > 0
    items = [CritiqueItem(a.prompt, a.rejected, a.applied) for a in attempts]
    found = await critique(critic, items, max_tokens=settings.critique_tokens, verdicts=verdicts)
    for attempt, result in zip(attempts, found, strict=True):
        if result.keys:
            attempt.calls["critique"] = result.keys
        if result.outcome.kind == "repaired":
            attempt.note = result.outcome.reason
        elif result.outcome.kind != "ok":
            reason = result.outcome.reason
            attempt.outcome = Outcome(result.outcome.kind, f"critique: {reason}")
        if attempt.outcome is None and verdicts and result.severity < settings.min_severity:
            attempt.outcome = _not_severe(result, settings.min_severity)
    return {a.prompt.id: result for a, result in zip(attempts, found, strict=True)}


def _not_severe(found: Critique, least: int) -> Outcome:
    if found.breaks is None:
        return Outcome("malformed", "critique: its verdict could not be read")
    return Outcome("filtered", f"the critic gives the draft less than severity {least}")
