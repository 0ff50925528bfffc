"""Pairs by a teacher: a stronger model under the constitution against the policy, plain.

Open Character Training (Maiya et al. 2025, arXiv 2511.01689) distils so. The two sides come
from different models: DPO can learn the teacher's manner with the principle, which the
confound report shows. Take it where the policy cannot write the better answer itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...constitution.principle import Constitution, Principle
from ...critic.frames import FrameJob, fill_frames
from ...critic.routing import candidates
from ...errors import ConfigurationError
from ...llm.message import with_instruction
from ...llm.request import Model
from ...prompts.prompt import Prompt
from ...prompts.template import render
from ..settings import PairSettings
from .attempt import Attempt, BuildResult, finish, start, still_open
from .labelling import label
from .overlap import OnAttempts, in_groups
from .roles import ALONE, Cast, OnStage, announce
from .writing import write_rejected

NAME = "teacher"


async def build(
    prompts: Sequence[Prompt],
    constitution: Constitution,
    policy: Model,
    critic: Model,
    settings: PairSettings,
    *,
    cast: Cast = ALONE,
    on_stage: OnStage | None = None,
    on_attempts: OnAttempts | None = None,
) -> BuildResult:
    """Lets the policy fail and the teacher answer.

    Args:
        prompts: At-risk prompts and twins.
        constitution: Principles to route from, and the teacher's rules.
        policy: Writes the rejected side, as in `critique_revise`.
        critic: Compares where comparisons may label and the cast has no comparator.
        settings: How to build.
        cast: Must have a teacher.
        on_stage: Called with a stage's name and its number of answers before it runs.
        on_attempts: Called as attempts end, where stages overlap.

    Returns:
        Pairs in prompt order and the ledger of attempts.

    Raises:
        ConfigurationError: There is no teacher.
        OutcomeError: More than `max_failed_share` of the attempts made no pair.
    """
    teacher, comparator = cast.teacher, cast.comparator or critic
    if teacher is None:
        fix = "name a stronger model in `teacher`, or take another builder"
        message = "builder teacher needs a teacher"
        raise ConfigurationError.one("D011", "teacher", message, fix)
    attempts = start(prompts, constitution, settings)

    async def work(group: list[Attempt]) -> None:
        await write_rejected(group, constitution, policy, on_stage)
        open_ = still_open(group)
        announce(on_stage, "teacher", len(open_))
        jobs = [_job(attempt, constitution) for attempt in open_]
        for attempt, filled in zip(open_, await fill_frames(teacher, jobs), strict=True):
            attempt.chosen = attempt.take("teacher", filled)
        await label(group, constitution, comparator, cast.allows, settings, on_stage=on_stage)

    await in_groups(attempts, (policy, teacher, comparator), work, on_attempts=on_attempts)
    same = teacher.fingerprint == policy.fingerprint
    return finish(attempts, NAME, settings, on_policy=same)


def _job(attempt: Attempt, constitution: Constitution) -> FrameJob:
    """The prompt under the rules that guard against its threat, most fitting first."""
    fitting = sorted(
        candidates(attempt.prompt, constitution), key=lambda pair: (-pair[1], pair[0].id)
    )
    others = [principle for principle, _ in fitting if principle.id != attempt.applied.id]
    rules = [attempt.applied, *others][: attempt.settings.teacher_rules]
    content = render("teacher", {"rules": "\n".join(map(_rule, rules))})
    return attempt.job("teacher", with_instruction(attempt.prompt.messages, content.strip()), "")


def _rule(principle: Principle) -> str:
    return f"- {principle.statement}"
