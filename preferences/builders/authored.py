"""Pairs by an author: an answer that a person wrote for the prompt against the model's own.

For models that cannot write the keeping answer themselves. The rejected side is the policy's
failing draft, as in `critique_revise`; the chosen one is the prompt's `answer`. The sides come
from different hands, so the pairs count as off-policy, and training can learn the author's
manner with the principle: the confound report shows it.

Exemplars of archetypes are not taken for answers: they measure critics and models, which what
was trained on cannot do.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...constitution.principle import Constitution
from ...errors import ConfigurationError
from ...llm.request import Outcome
from ...prompts.prompt import Prompt
from ..settings import PairSettings
from .attempt import Attempt, BuildResult, finish, start, still_open
from .labelling import label
from .overlap import in_groups
from .roles import SILENT, Models, Progress
from .writing import write_rejected

NAME = "authored"
NO_ANSWER = "nobody wrote an answer for this prompt"


async def build(
    prompts: Sequence[Prompt],
    constitution: Constitution,
    models: Models,
    settings: PairSettings,
    *,
    progress: Progress = SILENT,
) -> BuildResult:
    """Lets the policy fail where a person has answered.

    Args:
        prompts: At-risk prompts and twins; those without an `answer` make no pair.
        constitution: Principles to route from.
        models: The policy writes the rejected side; the comparator compares where it may
            label.
        settings: How to build.
        progress: Who is told how far it is.

    Returns:
        Pairs in prompt order and the ledger of attempts.

    Raises:
        ConfigurationError: No prompt has an answer.
        OutcomeError: More than `max_failed_share` of the attempts made no pair.
    """
    attempts = start(prompts, constitution, settings)
    if not any(prompt.answer for prompt in prompts):
        fix = "write the field `answer` into the rows of the training set, or take another builder"
        message = "builder authored needs answers, and no prompt has one"
        raise ConfigurationError.one("D012", "pairs.builder", message, fix)
    for attempt in still_open(attempts):
        if attempt.prompt.answer:
            attempt.chosen = attempt.prompt.answer
        else:
            attempt.outcome = Outcome("filtered", NO_ANSWER)

    async def work(group: list[Attempt]) -> None:
        await write_rejected(still_open(group), constitution, models.policy, progress)
        await label(group, constitution, models, settings, progress)

    await in_groups(attempts, (models.policy, models.comparator), work, progress)
    return finish(attempts, NAME, settings, on_policy=False)
