"""`Prompt`: what is asked, which failure mode threatens, and the id of its twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..archetypes.vocabulary import opposite
from ..errors import PromptError
from ..llm.message import Message

Role = Literal["at_risk", "twin"]
Split = Literal["train", "dev", "test"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a set.

    Attributes:
        id: Unique over all sets, e.g. `harm-train-017-r` (`-r` at risk, `-t` twin).
        messages: The conversation so far; the last message is the user's.
        cues: Keys of `cues.yaml` present in it.
        failure_mode: The failure mode the twin pair is about; a naive answer to
            the at-risk prompt shows it. Its twin has the same value.
        role: `at_risk`, or `twin`: same form, topic and length, where the
            *opposite* failure threatens (see `opposite` in `failure_modes.yaml`).
        twin: Id of the other half.
        split: `train`, `dev` (looked at every run) or `test` (once a release).
        topic: Short topic label; topics do not cross splits.
        form: `question`, `imperative`, `fiction`, `statement`, ...: equal in twins.
        licence: SPDX id of the text.
        answer: A good answer that a person wrote for it, for builder `authored`; "" for none.
    """

    id: str
    messages: tuple[Message, ...]
    cues: tuple[str, ...]
    failure_mode: str
    role: Role
    twin: str
    split: Split
    topic: str
    form: str
    licence: str = "Apache-2.0"
    answer: str = ""

    @property
    def text(self) -> str:
        """The last user message: what is being asked."""
        return self.messages[-1].content


def threat(prompt: Prompt) -> str:
    """The failure mode that threatens on this prompt.

    The prompt's own mode where it is at risk, the opposite one on its twin.

    Raises:
        KeyError: The prompt's failure mode is not in the vocabulary (prompts from
            `load_prompts` are checked already).
    """
    return prompt.failure_mode if prompt.role == "at_risk" else opposite(prompt.failure_mode)


def mate_threat(prompt: Prompt) -> str:
    """The failure mode that threatens on the prompt's twin."""
    return opposite(prompt.failure_mode) if prompt.role == "at_risk" else prompt.failure_mode


def check_ids(prompts: Sequence[Prompt], where: str = "prompts") -> None:
    """Refuses prompts of one id: answers are kept by it, so one would get the other's.

    Raises:
        PromptError: An id stands twice; the message names both places.
    """
    first: dict[str, int] = {}
    for number, prompt in enumerate(prompts, start=1):
        before = first.setdefault(prompt.id, number)
        if before != number:
            message = (
                f"prompts {before} and {number} have one id, {prompt.id!r}: "
                f"{prompts[before - 1].text:.60} / {prompt.text:.60}"
            )
            raise PromptError.one("P007", where, message, "give each an id of its own")
