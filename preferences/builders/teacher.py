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
from ...prompts.prompt import Prompt
from ...prompts.template import render
from ..settings import PairSettings
from .attempt import Attempt, BuildResult, finish, start, still_open
from .labelling import label
from .overlap import in_groups
from .roles import SILENT, Models, Progress
from .writing import write_rejected

NAME = "teacher"


async def build(
    prompts: Sequence[Prompt],
    constitution: Constitution,
    models: Models,
    settings: PairSettings,
    *,
    progress: Progress = SILENT,
) -> BuildResult:
    """Lets the policy fail and the teacher answer.

    Args:
        prompts: At-risk prompts and twins.
        constitution: Principles to route from, and the teacher's rules.
        models: The policy writes the rejected side, as in `critique_revise`, the teacher the
            chosen one; the comparator compares where it may label.
        settings: How to build.
        progress: Who is told how far it is.

    Returns:
        Pairs in prompt order and the ledger of attempts.

    Raises:
        ConfigurationError: There is no teacher.
        OutcomeError: More than `max_failed_share` of the attempts made no pair.
    """
    teacher = models.teacher
    if teacher is None:
        fix = "name a stronger model in `teacher`, or take another builder"
        message = "builder teacher needs a teacher"
        raise ConfigurationError.one("D011", "teacher", message, fix)
    attempts = start(prompts, constitution, settings)

    async def work(group: list[Attempt]) -> None:
        await write_rejected(group, constitution, models.policy, progress)
        open_ = still_open(group)
        progress.stage("teacher", len(open_))
        jobs = [_job(attempt, constitution) for attempt in open_]
        for attempt, filled in zip(open_, await fill_frames(teacher, jobs), strict=True):
            attempt.chosen = attempt.take("teacher", filled)
        await label(group, constitution, models, settings, progress)

    await in_groups(attempts, (models.policy, teacher, models.comparator), work, progress)
    same = teacher.fingerprint == models.policy.fingerprint
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
