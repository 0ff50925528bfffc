"""How a chat model is called: how many at a time, how long, how often again."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    in_flight: int = 64
    attempts: int = 6
    call_timeout: float = 120.0
    run_timeout: float | None = None
    backoff: float = 1.0
    max_wait: float = 120.0

    def __post_init__(self) -> None:
        if self.in_flight < 1 or self.attempts < 1:
            raise ValueError("in_flight and attempts must be at least 1")
        if self.call_timeout <= 0 or self.backoff < 0 or self.max_wait < 0:
            raise ValueError("call_timeout must be positive, backoff and max_wait not negative")
