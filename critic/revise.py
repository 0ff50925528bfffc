"""Builds revision requests: the same model answers again, with the critique in view."""

from __future__ import annotations

from ..constitution.principle import Principle
from ..prompts.prompt import Prompt, with_instruction
from ..prompts.template import neutralise, render
from .critique import Critique
from .frames import FrameJob


def revision_job(
    prompt: Prompt,
    critique: Critique,
    principle: Principle,
    *,
    opening: str,
    temperature: float,
    max_tokens: int,
    seed: int,
    top_p: float = 1.0,
) -> FrameJob:
    """The job of answering again, under one principle and with the critique in view.

    Critique and rule stand in a system message and the conversation follows as it was,
    so that the revision is an answer to the person. The draft itself is not shown: a
    135M model copies from it (a revised refusal went on to name the poison the draft
    had named).

    Args:
        prompt: What was asked.
        critique: What the critic said about the draft.
        principle: The principle; its `revise` request is shown.
        opening: One of its good openings, with gaps; "" leaves the form to the model.
        temperature: Sampling temperature, 0 for greedy.
        max_tokens: Most new tokens over all gaps.
        seed: Seed of the sampling.
        top_p: Nucleus mass of the sampling.

    Returns:
        A job for `fill_frames`. A system message of the prompt is kept, before ours.
    """
    content = render(
        "revise", {"critique": neutralise(critique.reason), "request": principle.revise}
    )
    return FrameJob(
        messages=with_instruction(prompt.messages, content.strip()),
        opening=opening,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed,
    )
