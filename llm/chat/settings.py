"""How a chat model is called: how many at a time, how long, how often again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator

REASONING_TOKENS: Final = 4096
"""Room for thoughts where nothing is set."""

_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")


def _word(value: object) -> object:
    """YAML reads `on` and `off` as true and false."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """Limits of the calls to a chat model.

    Attributes:
        in_flight: Most calls at the same time, at least 1. Fewer after 429s and timeouts.
        attempts: Most times one request is sent, at least 1.
        call_timeout: Seconds one call may take.
        run_timeout: Seconds of the model's life after which nothing is sent any more;
            None for no limit.
        backoff: Seconds before the second attempt, at most; doubles with each attempt.
        max_wait: Most seconds between two attempts. A server that asks for a longer
            wait gets no further attempt.
        thinking: `on` or `off` where the model can be told; `auto` leaves it as it is.
        reasoning_tokens: Room for thoughts, at least 0: added to the limit of a model that
            thinks. With `auto` a chat model counts as one by its name, or after its first
            thought; a local model thinks with `on` alone.
        verdict_tokens: Least limit of a request for one word (at most 8 tokens), at least 1.
            A chat model may say more than the word before it gives it.
        keys: Host, or host:port -> name of the environment variable that holds its key. Such
            a host gets this key; any other that is not the provider's own gets the one in
            `ANLAGE_API_KEY`, or none.
    """

    in_flight: int = 64
    attempts: int = 6
    call_timeout: float = 120.0
    run_timeout: float | None = None
    backoff: float = 1.0
    max_wait: float = 120.0
    thinking: Annotated[Literal["on", "off", "auto"], BeforeValidator(_word)] = "auto"
    reasoning_tokens: int = REASONING_TOKENS
    verdict_tokens: int = 512
    keys: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.in_flight < 1 or self.attempts < 1:
            raise ValueError("in_flight and attempts must be at least 1")
        if self.call_timeout <= 0 or self.backoff < 0 or self.max_wait < 0:
            raise ValueError("call_timeout must be positive, backoff and max_wait not negative")
        if self.reasoning_tokens < 0 or self.verdict_tokens < 1:
            raise ValueError("reasoning_tokens must be at least 0, verdict_tokens at least 1")
        if self.thinking not in ("on", "off", "auto"):
            raise ValueError(f"thinking must be on, off or auto, not {self.thinking!r}")
        if wrong := [name for name in self.keys.values() if not _VARIABLE.fullmatch(name)]:
            # Never repeat it: it may be the key itself.
            raise ValueError(f"keys must name {len(wrong)} environment variables, not hold keys")

    @property
    def identity(self) -> str:
        """What of the settings decides an answer: "" where all of it is at its default."""
        return "" if self.thinking == "auto" else f"?thinking={self.thinking}"
