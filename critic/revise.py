"""Builds revision requests: the same model answers again, with the critique in view."""

from __future__ import annotations

from ..constitution.principle import Principle
from ..prompts.prompt import Message, Prompt
from ..prompts.template import neutralise, render
from .critique import Critique, conversation_text
from .frames import FrameJob


def revision_job(
    prompt: Prompt,
    draft: str,
    critique: Critique,
    principle: Principle,
    *,
    opening: str,
    temperature: float,
    max_tokens: int,
    seed: int,
    top_p: float = 1.0,
) -> FrameJob:
    """The job of rewriting one draft under one principle.

    Args:
        prompt: What was asked.
        draft: The answer to be replaced.
        critique: What the critic said about it.
        principle: The principle; its `revise` request is shown.
        opening: One of its good openings, with gaps; "" leaves the form to the model.
        temperature: Sampling temperature, 0 for greedy.
        max_tokens: Most new tokens over all gaps.
        seed: Seed of the sampling.
        top_p: Nucleus mass in (0, 1].

    Returns:
        A job for `fill_frames`. A system message of the prompt is kept.
    """
    content = render(
        "revise",
        {
            "prompt": conversation_text([m for m in prompt.messages if m.role != "system"]),
            "answer": neutralise(draft),
            "critique": neutralise(critique.reason),
            "request": principle.revise,
        },
    )
    system = tuple(m for m in prompt.messages if m.role == "system")
    return FrameJob(
        messages=(*system, Message("user", content)),
        opening=opening,
        temperature=temperature,
        max_tokens=max_tokens,
        seed=seed,
        top_p=top_p,
    )
