"""`Rule`: what all foreign formats share, a rule in words and the requests that apply it."""

from __future__ import annotations

from dataclasses import dataclass

from ..principle import Principle


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a foreign constitution; "" for what its format does not say.

    Attributes:
        name: A short name.
        text: The rule in words.
        critique: What a critic is asked.
        revise: What a reviser is asked.
        questions: Questions that come with it.
        remark: What its author says about it.
    """

    name: str = ""
    text: str = ""
    critique: str = ""
    revise: str = ""
    questions: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read.

    Attributes:
        rules: At least one.
        lost: What the file holds and we cannot keep, one sentence each.
    """

    rules: tuple[Rule, ...]
    lost: tuple[str, ...] = ()


def rule_of(principle: Principle) -> Rule:
    """A principle as a rule: situation, statement and negative in one text."""
    situation = principle.situation.rstrip(".")
    text = f"When {situation}: {principle.statement} {principle.negative}"
    return Rule(principle.id, text, principle.critique, principle.revise)
