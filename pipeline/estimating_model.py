"""A model that is never asked: it counts what would be sent and makes up what would come back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ..critic.critique import REASON_PREFILL
from ..errors import NotSupportedError
from ..llm.budget import Spending, expected_prompt_tokens, tokens_of
from ..llm.prices import Price
from ..llm.request import Completion, Model, Request, Score, Usage

_EASY: Final = " Go in by the front door at noon and look around first."
_HARD: Final = " I can't help because the old rule of the far lake is broken here."
_REASON: Final = " breaks it because the old rule of the far lake is broken here."
_LONGER: Final = " and so the old rule of the far lake is broken here"
_SHORT_ANSWERS: Final = 4  # tokens: verdicts and options


@dataclass(frozen=True, slots=True)
class Scenario:
    """How calls are imagined to go.

    Attributes:
        name: `low` or `high`.
        characters_per_token: Of what is sent; English prose has about 4.5.
        share: Part of its limit that an answer takes, in (0, 1]; thoughts of their room alike.
        troublesome: Answers refuse where they should not and are written again as
            often as the settings allow.
    """

    name: str
    characters_per_token: float
    share: float
    troublesome: bool


LOW: Final = Scenario("low", 5.0, 0.25, troublesome=False)
"""Short answers, each usable at once."""
HIGH: Final = Scenario("high", 3.0, 1.0, troublesome=True)
"""Answers up to the limit, each written as often as is allowed."""


class EstimatingModel(Model):
    """Stands in for one model of a run.

    Args:
        spec: The model it stands for.
        scenario: How calls are imagined to go.
        price: What the model costs; None where that is not known.
        limits: Most new tokens of a request, and how many of them are room for thoughts.
        can_score: False for a chat model.
        on_call: Called with what each batch would cost.
    """

    batch_size = 1024

    def __init__(
        self,
        spec: str,
        scenario: Scenario,
        price: Price | None,
        *,
        limits: Callable[[Request], tuple[int, int]],
        can_score: bool,
        on_call: Callable[[Spending], None],
    ) -> None:
        self.spec = spec
        self.scenario = scenario
        self.price = price
        self.limits = limits
        self.can_score = can_score
        self._on_call = on_call

    @property
    def fingerprint(self) -> str:
        """Hash of the name; no file is read."""
        return "estimate:" + hashlib.sha256(self.spec.encode()).hexdigest()

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Counts the requests and makes up answers of the scenario's length."""
        received = [self._received(request) for request in requests]
        sent = [self._tokens(request) for request in requests]
        cost = [self._cost(*pair) for pair in zip(requests, received, strict=True)]
        self._spend(len(requests), sum(sent), sum(cost))
        return [
            Completion(self._text(request, tokens), usage=Usage(1, tokens))
            for request, tokens in zip(requests, received, strict=True)
        ]

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Counts the texts.

        Raises:
            NotSupportedError: It stands for a chat model.
        """
        if not self.can_score:
            raise NotSupportedError(f"{self.spec} gives no log-probabilities")
        scale = 3.0 / self.scenario.characters_per_token
        sent = sum(self._tokens(request) + tokens_of(text) * scale for request, text in texts)
        self._spend(len(texts), round(sent), 0)
        return [Score(-1.0, max(1, tokens_of(text))) for _, text in texts]

    def _received(self, request: Request) -> int:
        if request.max_tokens <= _SHORT_ANSWERS:
            return request.max_tokens
        return max(1, round(request.max_tokens * self.scenario.share))

    def _cost(self, request: Request, answer: int) -> int:
        """New tokens that are paid for: the answer's, thoughts, and what a chat model adds."""
        most, room = self.limits(request)
        if self.scenario.troublesome:
            return max(answer, most)
        return answer + round(room * self.scenario.share)

    def _tokens(self, request: Request) -> int:
        return round(expected_prompt_tokens(request) * 3.0 / self.scenario.characters_per_token)

    def _text(self, request: Request, tokens: int) -> str:
        if request.max_tokens <= _SHORT_ANSWERS:
            return " 3"
        start = _HARD if self.scenario.troublesome else _EASY
        start = _REASON if request.prefill == REASON_PREFILL else start
        missing = max(0, round(tokens * self.scenario.characters_per_token) - len(start))
        return start.rstrip(".") + (_LONGER * (1 + missing // len(_LONGER)))[:missing] + "."

    def _spend(self, calls: int, sent: int, received: int) -> None:
        usd = None if self.price is None else self.price.cost(sent, received)
        self._on_call(Spending(calls, sent, received, usd))
