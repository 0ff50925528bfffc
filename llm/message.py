"""A message of a conversation, and how system prompts and instructions join it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Speaker = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. `role` is the speaker, not the prompt's role."""

    role: Speaker
    content: str


def under_system(messages: tuple[Message, ...], system: str) -> tuple[Message, ...]:
    """A conversation under a system prompt; one that has its own, or no message, stays."""
    if not system or not messages or messages[0].role == "system":
        return messages
    return (Message("system", system), *messages)


def with_instruction(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """A conversation whose system message says `text` too, after what it said before."""
    own = [message.content for message in messages if message.role == "system"]
    turns = tuple(message for message in messages if message.role != "system")
    return (Message("system", "\n".join([*own, text])), *turns)
