"""`Lesson`: one whole text that a model is trained to write, as an answer or by itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..llm.message import Message


@dataclass(frozen=True, slots=True)
class Lesson:
    """One row of supervised training.

    Attributes:
        id: Unique within its file.
        prompt: The conversation it answers; () for a text that stands by itself.
        text: What the model is trained to write; never cut.
        failure_mode: The failure mode it is about; "" if unknown.
        archetype: The archetype it belongs to; "" if none.
        theme: `shadow`, `integration`, ... for arcs, `refusal`, `plain`, `unsure` for
            answers, anything else for lessons of one's own.
        file: Where it was read from.
        line: 1-based line; 0 for a whole file.
    """

    id: str
    prompt: tuple[Message, ...]
    text: str
    failure_mode: str = ""
    archetype: str = ""
    theme: str = ""
    file: str = ""
    line: int = 0
