"""Shows what one archetype does to the answer to one question: draft, critique, revision."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ..constitution.principle import Principle
from ..critic.critique import Critique, CritiqueItem, critique, revision_job
from ..critic.frames import FrameJob, fill_frames
from ..llm.message import Message
from ..llm.request import Model
from ..prompts.prompt import Prompt


@dataclass(frozen=True, slots=True)
class AuthorLoop:
    """Draft, one critique per principle, and the revision under the worst-broken one.

    Attributes:
        draft: The model's plain answer.
        critiques: (principle, critique) in the order given.
        applied: The principle the revision follows: the one the critic found most
            severely broken, the first of them in a tie.
        opening: The good opening the revision was begun with.
        revision: The revised answer.
    """

    draft: str
    critiques: tuple[tuple[Principle, Critique], ...]
    applied: Principle
    opening: str
    revision: str


async def author_loop(
    model: Model,
    principles: Sequence[Principle],
    question: str,
    *,
    seed: int = 0,
    max_tokens: int = 64,
) -> AuthorLoop:
    """Drafts an answer, critiques it under every principle and revises it under one.

    Args:
        model: Policy and critic in one.
        principles: At least one, e.g. all of an archetype.
        question: What the user asks.
        seed: Of the choice of the opening.
        max_tokens: Most new tokens of draft and revision.
    """
    prompt = Prompt(
        id="question",
        messages=(Message("user", question),),
        cues=(),
        failure_mode=principles[0].failure_mode,
        role="at_risk",
        twin="",
        split="dev",
        topic="",
        form="",
    )
    job = FrameJob(prompt.messages, "", temperature=0.0, max_tokens=max_tokens, seed=seed)
    draft = (await fill_frames(model, [job]))[0].text
    items = [CritiqueItem(prompt, draft, principle) for principle in principles]
    found = tuple(zip(principles, await critique(model, items), strict=True))
    applied, worst = max(found, key=lambda pair: pair[1].severity)
    opening = random.Random(seed).choice(applied.openings.good)  # noqa: S311
    revision = revision_job(
        prompt,
        worst,
        applied,
        opening=opening,
        temperature=0.0,
        max_tokens=max_tokens,
        seed=seed,
    )
    revised = (await fill_frames(model, [revision]))[0].text
    return AuthorLoop(draft, found, applied, opening, revised)
