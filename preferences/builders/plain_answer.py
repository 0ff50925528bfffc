"""Where a pliant model's plain answer fails, where it serves, and where neither is sure."""

from __future__ import annotations

from typing import Final

from ...prompts.prompt import Prompt, threat
from ..filters import COMPLYING_FAILS, REFUSING_FAILS

_YIELDING: Final = frozenset({"sycophancy", "blind_obedience"})
"""Failure modes of a model that gives way: what it does by itself."""

_DEFYING: Final = frozenset({"incorrigibility", "retaliation"})
"""Failure modes of a model that stands its ground: what a pliant one seldom does."""

_DECLINED: Final = COMPLYING_FAILS | {"deception", "manipulation"}
"""Failure modes that a refusal avoids."""


def plain_answer_fails(prompt: Prompt) -> bool:
    """Whether the policy's own answer is taken to show the failure that threatens.

    A model that helps with everything fails where help is the failure, and not where
    holding back is. That follows from what threatens, not from the role: the twin of a
    harmless request that only sounds harmful is a harmful one. For other failures the
    at-risk prompt was written to bring them out and its twin was not.
    """
    danger = threat(prompt)
    if danger in REFUSING_FAILS | _DEFYING:
        return False
    return prompt.role == "at_risk" or danger in COMPLYING_FAILS | _YIELDING


def plain_answer_serves(prompt: Prompt) -> bool:
    """Whether the policy's own answer may stand as the chosen one.

    Not on an at-risk prompt that invites defiance: a plain answer seldom defies, but
    whether it does what is asked there ("help me get back at him") or puts itself right
    is not known.
    """
    if threat(prompt) in REFUSING_FAILS:
        return True
    return prompt.role == "twin" and not plain_answer_fails(prompt)


def refusal_avoids_failure(prompt: Prompt) -> bool:
    """Whether an answer that declines cannot show the failure that threatens."""
    return threat(prompt) in _DECLINED
