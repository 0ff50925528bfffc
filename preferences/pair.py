"""The preference pair: one record with named fields, traceable to a line of YAML."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from ..llm.message import Message
from ..prompts.prompt import Role

P_BY_CONSTRUCTION = 0.95
"""`p_chosen` of a label that follows from how the pair was built, not from a judge."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One training row.

    Attributes:
        prompt_id: Id of the prompt in its set.
        prompt: The conversation both answers follow.
        chosen: The better answer.
        rejected: The answer that shows the failure mode.
        p_chosen: Probability that `chosen` is better, in [0.5, 1].
        weight: Relative weight in the loss, above 0.
        principles: Full ids of the principles applied.
        failure_mode: The failure mode `rejected` shows (for a twin prompt the
            opposite of the prompt's own).
        role: The prompt's role.
        builder: Name of the builder that made it.
        round: 0-based round.
        calls: Step (`draft`, `critique`, `revision`, ...) -> cache keys of its calls.
        label: `construction` or `comparison`.
    """

    prompt_id: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    p_chosen: float
    weight: float
    principles: tuple[str, ...]
    failure_mode: str
    role: Role
    builder: str
    round: int
    calls: dict[str, tuple[str, ...]]
    label: str = "construction"

    @property
    def id(self) -> str:
        """12 hex digits of a SHA-256 over builder, round, prompt and both answers."""
        payload = json.dumps(
            [self.builder, self.round, self.prompt_id, self.chosen, self.rejected],
            ensure_ascii=False,
        )
        return hashlib.sha256(payload.encode()).hexdigest()[:12]
