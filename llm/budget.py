"""Caps on what a run may spend on model calls, enforced before the calls are made."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from ..errors import BudgetError
from .prices import Price
from .request import Completion, Model, Request, Score, Wrapper

CHARACTERS_PER_TOKEN: Final = 3.0
"""English text has about 4.5 characters a token, code and other languages fewer: 3 errs
on the side of too many tokens."""
_LOOK_AGAIN_SECONDS: Final = 0.02  # while calls in flight may leave room
_PER_MESSAGE: Final = 6  # tokens a chat template puts around a message


class BudgetLimits(BaseModel):
    """The `budget` section of a run config. Stored calls are free; all roles count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_calls: int | None = Field(default=None, ge=1)
    """Most calls, scored texts included; null for no limit."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens, sent and received; null for no limit."""
    max_usd: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    """Most US dollars; needs the price of every chat model; null for no limit."""
    prices: str | None = None
    """YAML file with prices of your own; null for the shipped ones alone."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What calls cost: counted, or expected.

    Attributes:
        calls: Calls that reached a model.
        prompt_tokens: Tokens sent.
        completion_tokens: Tokens received.
        usd: US dollars; None where a price is not known.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Sent and received."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Spending) -> Spending:
        known = self.usd is not None and other.usd is not None
        return Spending(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            (self.usd or 0.0) + (other.usd or 0.0) if known else None,
        )

    def __sub__(self, other: Spending) -> Spending:
        known = self.usd is not None and other.usd is not None
        return Spending(
            self.calls - other.calls,
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            (self.usd or 0.0) - (other.usd or 0.0) if known else None,
        )

    @property
    def cost(self) -> str:
        """US dollars in words; an unknown price is never nothing."""
        return "at an unknown price" if self.usd is None else f"${self.usd:.2f}"

    def __str__(self) -> str:
        return f"{self.calls:,} calls, {self.tokens:,} tokens, {self.cost}"


class Budget:
    """What may still be spent; shared by all models of a run and all its tasks.

    Args:
        limits: The caps.
        spent: What earlier processes of the same run spent.
        on_spend: Called with what each batch cost, before its answers are used.
    """

    def __init__(
        self,
        limits: BudgetLimits,
        spent: Spending | None = None,
        on_spend: Callable[[Spending], None] | None = None,
    ) -> None:
        self.limits = limits
        self.spent = spent or Spending()
        self._on_spend = on_spend
        self._in_flight = Spending()
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> Spending:
        """What calls being made now will cost at most."""
        return self._in_flight

    async def reserve(self, expected: Spending) -> None:
        """Sets aside what calls about to be made will cost at most.

        Calls in flight are weighed at the most they can cost, and mostly cost less: where
        only they stand in the way, this waits for them.

        Raises:
            BudgetError: It does not fit beside what is spent. The message says what was
                spent and how to go on.
        """
        while not self._try_reserve(expected):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def _try_reserve(self, expected: Spending) -> bool:
        with self._lock:
            if not self._exceeded(self.spent + self._in_flight + expected):
                self._in_flight += expected
                return True
            over = self._exceeded(self.spent + expected)
            if over:
                raise BudgetError(self._message(expected, over))
            return False

    def settle(self, expected: Spending, actual: Spending) -> None:
        """Replaces what was set aside by what was really spent."""
        with self._lock:
            self._in_flight = Spending(
                self._in_flight.calls - expected.calls,
                self._in_flight.prompt_tokens - expected.prompt_tokens,
                self._in_flight.completion_tokens - expected.completion_tokens,
                (self._in_flight.usd or 0.0) - (expected.usd or 0.0),
            )
            self.spent += actual
            if self._on_spend is not None:
                self._on_spend(actual)

    def _exceeded(self, reached: Spending) -> list[str]:
        limits = self.limits
        over = []
        if limits.max_calls is not None and reached.calls > limits.max_calls:
            over.append(f"max_calls: {limits.max_calls}")
        if limits.max_tokens is not None and reached.tokens > limits.max_tokens:
            over.append(f"max_tokens: {limits.max_tokens}")
        # A price nobody knows cannot be kept under a cap: stop rather than guess.
        if limits.max_usd is not None and (reached.usd is None or reached.usd > limits.max_usd):
            over.append(f"max_usd: {limits.max_usd:g}")
        return over

    def _message(self, expected: Spending, over: Sequence[str]) -> str:
        flying = f" ({self._in_flight} more in flight)" if self._in_flight.calls else ""
        return (
            f"the budget is used up: {self.spent} were spent{flying}, and the next "
            f"{expected.calls:,} calls, up to {expected.tokens:,} tokens, do not fit in "
            f"`{', '.join(over)}`. Every answer is stored. Raise it (`budget` in a config, or the "
            "command's option) and "
            "run the same command: it goes on here and pays for nothing twice."
        )


class Budgeted(Wrapper):
    """A model whose calls are weighed before they are made and counted afterwards.

    Put it under `CachedModel`, so that stored calls are free. A batch that does not fit is
    not begun: a part of it would be answered in another batch, so not byte for byte alike.
    What a cap leaves over is therefore up to one batch, and what is in flight elsewhere.

    Args:
        inner: The model.
        budget: The run's budget.
        price: What the model costs; None where it is not known.
    """

    def __init__(self, inner: Model, budget: Budget, price: Price | None) -> None:
        super().__init__(inner)
        self.budget = budget
        self.price = price
        self._limit: Callable[[Request], int] | None = getattr(inner, "token_limit", None)

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Passes the requests on if they fit.

        A failed call counts as a call; its tokens are not known and not counted.

        Raises:
            BudgetError: They do not fit; none of them was made.
        """
        sent = sum(expected_prompt_tokens(request) for request in requests)
        limit = self._limit or (lambda request: request.max_tokens)  # a chat model adds room
        received = sum(limit(request) for request in requests)
        expected = self._spending(len(requests), sent, received)
        await self.budget.reserve(expected)
        actual = self._spending(len(requests), 0, 0)
        try:
            answers = await self.inner.complete(requests)
            actual = self._counted(requests, answers)
            return answers
        finally:
            self.budget.settle(expected, actual)

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Passes the texts on if they fit. Their prompts' tokens are estimated.

        Raises:
            BudgetError: They do not fit.
            NotSupportedError: The model cannot score.
        """
        if texts:
            await self.inner.score([])  # a model that cannot score says so before it is weighed
        prompts = sum(expected_prompt_tokens(request) for request, _ in texts)
        scored = sum(tokens_of(text) for _, text in texts)
        expected = self._spending(len(texts), prompts + scored, 0)
        await self.budget.reserve(expected)
        actual = Spending()
        try:
            scores = await self.inner.score(texts)
            actual = self._spending(len(texts), prompts + sum(s.tokens for s in scores), 0)
            return scores
        finally:
            self.budget.settle(expected, actual)

    def _counted(self, requests: Sequence[Request], answers: Sequence[Completion]) -> Spending:
        sent = received = 0
        for request, answer in zip(requests, answers, strict=True):
            usage = answer.usage
            if usage.prompt_tokens or usage.completion_tokens or answer.outcome.kind == "error":
                sent += usage.prompt_tokens
                received += usage.completion_tokens
            else:  # a server that does not say what it used
                sent += expected_prompt_tokens(request)
                received += tokens_of(answer.text)
        return self._spending(len(answers), sent, received)

    def _spending(self, calls: int, sent: int, received: int) -> Spending:
        usd = None if self.price is None else self.price.cost(sent, received)
        return Spending(calls, sent, received, usd)


def tokens_of(text: str) -> int:
    """Tokens of a text at most, from its length; the model's tokenizer is not asked."""
    return round(len(text) / CHARACTERS_PER_TOKEN)


def expected_prompt_tokens(request: Request) -> int:
    """Tokens a request sends, at most, from its length: messages, schema and prefill."""
    said = sum(len(message.content) for message in request.messages)
    length = said + len(request.prefill) + len(request.schema)
    return round(length / CHARACTERS_PER_TOKEN) + _PER_MESSAGE * (len(request.messages) + 1)
