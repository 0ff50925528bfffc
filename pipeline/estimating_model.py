"""A model that is never asked: it counts what would be sent and makes up what would come back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..critic.critique import REASON_PREFILL
from ..errors import NotSupportedError
from ..llm.budget import Spending, expected_prompt_tokens, tokens_of
from ..llm.cached import CachedModel
from ..llm.chat.settings import ChatSettings
from ..llm.chat.spec import parse_chat_spec
from ..llm.models import token_limits
from ..llm.prices import Price, PriceTable
from ..llm.request import Completion, Model, Request, Score, Usage
from ..store.store import Store
from .models import RunModels

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
        self.own_fingerprint = ""
        """Of the model it stands for, where that is known without loading it."""

    @property
    def fingerprint(self) -> str:
        """Hash of the name, unless it was given the model's own; no file is read."""
        return self.own_fingerprint or "estimate:" + hashlib.sha256(self.spec.encode()).hexdigest()

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


class CountingModels(RunModels):
    """The models of a command, none of which is loaded or asked: what they would cost is added up.

    Answers that the store holds are given and cost nothing; nothing is written to it.

    Args:
        store: The call store; need not be there.
        prices: What models cost.
    """

    def __init__(self, store: Path, prices: PriceTable) -> None:
        self.asked: dict[str, Spending] = {}
        self._kept = _Unwritten(store)
        super().__init__(self._kept, batch_size=1024, on_progress=_nobody, prices=prices)

    def __enter__(self) -> CountingModels:
        return self

    def __exit__(self, *error: object) -> None:
        self._kept.close()

    def get(self, spec: str, adapter: Path | None = None) -> CachedModel:
        """A model that counts what it is asked, under the name of this one."""

        def book(spending: Spending) -> None:
            self.asked[spec] = self.asked.get(spec, Spending()) + spending

        chat = parse_chat_spec(spec)
        price = self.prices.price(spec)
        limits = token_limits(spec, self._chat or ChatSettings())
        # With an adapter it is another model: what the base was asked does not answer for it.
        name = f"{spec} ({adapter})" if adapter else spec
        model = EstimatingModel(
            name, HIGH, price, limits=limits, can_score=chat is None, on_call=book
        )
        if chat is not None:
            model.own_fingerprint = self.identity(spec)  # under it its stored calls are found
            model.batch_size = 1  # a stored answer is then no part of a batch that is not
        return CachedModel(model, self.store)


def _nobody(done: int, total: int) -> None:
    """Nobody is told how far it is."""


class _Unwritten(Store):
    """A store that reads what another holds and keeps what is new to itself.

    Args:
        below: File of the other; need not be there.
    """

    def __init__(self, below: Path) -> None:
        super().__init__(":memory:")
        self._below = Store(below) if below.is_file() else None

    def get_many(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """What either holds."""
        wanted = list(keys)
        found = super().get_many(kind, wanted)
        if self._below is not None:
            found |= self._below.get_many(kind, [key for key in wanted if key not in found])
        return found

    def close(self) -> None:
        """Closes both."""
        if self._below is not None:
            self._below.close()
        super().close()
