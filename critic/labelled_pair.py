"""An answer pair whose better half is known: for calibration and probe, never trained on."""

from __future__ import annotations

from typing import Protocol

from ..llm.message import Message
from ..prompts.labelled import LabelledAnswers
from ..prompts.prompt import Role


class LabelledPair(Protocol):
    """An answer pair whose better half is known (an archetype's exemplar is one)."""

    @property
    def failure_mode(self) -> str:
        """The mode the twin pair is about, as in `Prompt`."""

    @property
    def role(self) -> Role:
        """The prompt's role."""

    @property
    def prompt(self) -> str:
        """The user's words."""

    @property
    def good(self) -> str:
        """The better answer."""

    @property
    def failing(self) -> str:
        """The worse answer."""


def messages_of(pair: LabelledPair) -> tuple[Message, ...]:
    """The conversation before the answer: all its turns where the pair has them."""
    if isinstance(pair, LabelledAnswers):
        return pair.messages
    return (Message("user", pair.prompt),)


def cues_of(pair: LabelledPair) -> tuple[str, ...]:
    """The cues present in the conversation; () where the pair does not say."""
    return pair.cues if isinstance(pair, LabelledAnswers) else ()
