"""Does a critic prefer what it wrote itself? Measured where policy and critic are one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..constitution.principle import Principle
from ..llm.request import Model, Request
from ..prompts.labelled import ANY_MODE, LabelledPair
from ..stats.intervals import Rate
from .calibrate import GENERAL_QUESTION, as_prompt
from .compare import ComparisonItem, compare
from .routing import route


@dataclass(frozen=True, slots=True)
class SelfPreference:
    """How a policy's own answers fare with a critic.

    Attributes:
        against_good: Decided comparisons with the good answer that its own answer won.
        against_failing: The same with the failing answer.
        pairs: Labelled pairs it answered.
    """

    against_good: Rate
    against_failing: Rate
    pairs: int


async def self_preference(
    critic: Model,
    policy: Model,
    labelled: Sequence[LabelledPair],
    principles: Sequence[Principle],
    *,
    max_tokens: int = 64,
    seed: int = 0,
) -> SelfPreference:
    """The policy answers the labelled prompts; the critic compares with the written answers.

    A fair critic prefers the policy's own answer to the failing one more often than to the
    good one, and the good one wins mostly (Panickssery et al. 2024, arXiv 2404.13076,
    measure the same kind of gap). Nobody labels the policy's answers, so a strong policy may
    rightly win against the good ones, too: compare with a critic that is another model.

    Args:
        critic: The critic.
        policy: Whose answers they are.
        labelled: Answer pairs whose better half is known.
        principles: The constitution.
        max_tokens: Most new tokens of an answer.
        seed: Of the draw of principles.
    """
    prompts = [as_prompt(pair, number) for number, pair in enumerate(labelled)]
    asked = [Request(messages=prompt.messages, max_tokens=max_tokens) for prompt in prompts]
    answers = await policy.complete(asked)
    items: list[ComparisonItem] = []
    for pair, prompt, answer in zip(labelled, prompts, answers, strict=True):
        plain = pair.failure_mode == ANY_MODE
        principle = None if plain else route(prompt, principles, seed=seed)
        if answer.outcome.kind != "error" and answer.text.strip() and (principle or plain):
            question = principle.compare if principle else GENERAL_QUESTION
            items += [
                ComparisonItem(prompt.messages, question, answer.text.strip(), written)
                for written in (pair.good, pair.failing)
            ]
    found = await compare(critic, items)
    sides = [[c.outcome for c in found[start::2]] for start in (0, 1)]
    good, failing = (
        Rate(side.count("first"), side.count("first") + side.count("second")) for side in sides
    )
    return SelfPreference(good, failing, len(items) // 2)
