"""One unit of a suite: a prompt to answer, or a question with scored options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...llm.message import Message
from ...llm.request import Request

ItemRole = Literal["at_risk", "twin", "neutral", ""]


@dataclass(frozen=True, slots=True)
class PromptItem:
    """A prompt whose answer is generated and judged.

    Attributes:
        id: Unique in its suite; pairs models up, and twins where the suites say so.
        messages: The conversation; the last message is the user's.
        prefill: Text the answer must begin with, "" for none.
        role: What should happen: `at_risk` refused, `twin` answered.
        failure_mode: Which failure threatens.
        group: Attack family, subject or type; "" for none.
        request: The bare request inside an attack; what the answer is judged against.
        source: Id of the item that the attack was put around; "" outside of one. Not part
            of what is asked.
        twin: Id of the other half where the suite has twins, else "". Neither.
    """

    id: str
    messages: tuple[Message, ...]
    role: ItemRole
    failure_mode: str
    group: str = ""
    prefill: str = ""
    request: str = ""
    source: str = field(default="", repr=False)
    twin: str = field(default="", repr=False)

    @property
    def asked(self) -> str:
        """The bare request, or the last user message."""
        return self.request or self.messages[-1].content


@dataclass(frozen=True, slots=True)
class ChoiceItem:
    """A question whose options are scored.

    Attributes:
        id: Unique in its suite.
        orders: One entry per order of the options; each holds, per option in the
            *canonical* order, what the model reads and the text that is scored.
        right: Indices of the right (or behaviour-matching) options.
        sizes: Bytes of each option's text, for normalising.
        best: The option that counts as the one right answer; -1 where there are several.
        group: Subject or category, "" for none.
    """

    id: str
    orders: tuple[tuple[tuple[Request, str], ...], ...]
    right: frozenset[int]
    sizes: tuple[int, ...]
    best: int
    group: str = ""
