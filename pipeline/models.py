"""The models of a run: identified without loading them, loaded at most once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ..files.write import hash_path
from ..llm.budget import Budget, Budgeted, BudgetLimits
from ..llm.cached import CachedModel
from ..llm.chat.settings import ChatSettings
from ..llm.chat.spec import parse_chat_spec
from ..llm.local.embedded import resolve_model
from ..llm.models import SCRIPTED, load_model
from ..llm.prices import PriceTable, load_prices
from ..llm.request import Completion, Model, Request, Score, Wrapper
from ..llm.run_sync import run_sync
from ..llm.served.spec import ServedSpec, parse_served, server_urls
from ..store.store import Store


class Counted(Wrapper):
    """Counts the calls that reach the model, so not those answered by the store.

    Args:
        inner: The model.
        meter: Told how the answers ended.
    """

    def __init__(self, inner: Model, meter: Meter) -> None:
        super().__init__(inner)
        self.meter = meter
        self.token_limit = getattr(inner, "token_limit", None)
        self.calls = 0

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Passes the requests on and counts them."""
        self.calls += len(requests)
        answers = await self.inner.complete(requests)
        self.meter.count(answers)
        return answers

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        """Passes the texts on and counts them."""
        self.calls += len(texts)
        return await self.inner.score(texts)


class RunModels:
    """Loads what a stage asks for, behind the store, and remembers it.

    Args:
        store: The call store.
        batch_size: Most requests run together.
        policy: The model that is trained, where `policy_server` runs it.
        policy_server: Addresses of its servers; None where it runs here.
        on_progress: Called with (done, total) while a call is worked on.
        budget: What may be spent; None for no limit.
        prices: What models cost; None for the shipped prices.
        chat: Limits of the calls to chat models; None for the defaults.

    Raises:
        ConfigurationError: The shipped price table is damaged.
    """

    def __init__(
        self,
        store: Store,
        *,
        batch_size: int,
        on_progress: Callable[[int, int], None],
        policy: str = "",
        policy_server: str | None = None,
        budget: Budget | None = None,
        prices: PriceTable | None = None,
        chat: ChatSettings | None = None,
    ) -> None:
        self.store = store
        self.batch_size = batch_size
        self.on_progress = on_progress
        self.budget = budget or Budget(BudgetLimits())
        self.meter = Meter(self.budget)
        self.prices = prices or load_prices()
        self._chat = chat
        urls = server_urls(policy_server, "policy_server") if policy_server else ()
        self._served = {policy: str(ServedSpec(policy, urls))} if urls else {}
        self._counted: dict[tuple[str, Path | None], Counted] = {}
        self._identities: dict[str, str] = {}
        self._released_calls = 0

    @property
    def calls(self) -> int:
        """Calls that reached a model so far."""
        return self._released_calls + sum(model.calls for model in self._counted.values())

    def identity(self, spec: str) -> str:
        """SHA-256 of the model's files, without loading it; `scripted` is its own.

        A served model is told from a local one, not by its address: computed elsewhere, its
        numbers differ in the last digits. With `policy_server` the policy keeps its identity,
        so that a run may move to a server and back. A chat model is its provider, address and
        name: whether the provider has put another model behind that name cannot be known.

        Raises:
            ModelNotFoundError: No such model.
            ConfigurationError: No such provider of chat models.
        """
        if spec == SCRIPTED:
            return SCRIPTED
        served = parse_served(spec)
        if served is not None and spec not in self._identities:
            folder = resolve_model(served.name, weights=False)
            self._identities[spec] = f"served:{hash_path(folder)}"
        if served is not None:
            return self._identities[spec]
        chat = parse_chat_spec(spec)
        if chat is not None:
            return chat.fingerprint + (self._chat.identity if self._chat else "")
        if spec not in self._identities:
            self._identities[spec] = hash_path(resolve_model(spec))
        return self._identities[spec]

    def get(self, spec: str, adapter: Path | None = None) -> CachedModel:
        """The model, with its adapter merged in where one is given.

        Raises:
            ModelNotFoundError: No such model.
            OutOfMemoryError: It does not fit.

        Calls of the model raise BudgetError where they do not fit in the budget.
        """
        key = (spec, adapter)
        if key not in self._counted:
            asked = self._served.get(spec, spec)
            loaded = load_model(asked, adapter=adapter, batch_size=self.batch_size, chat=self._chat)
            self._counted[key] = Counted(loaded, self.meter)
        weighed = Budgeted(self._counted[key], self.budget, self.prices.price(spec))
        return CachedModel(weighed, self.store, on_progress=self.on_progress)

    def trained(self, spec: str, weights: Path) -> CachedModel:
        """A model after training: the base with its adapter, or the whole model in a folder.

        Args:
            spec: The base.
            weights: The `adapter` or `model` folder that training left.
        """
        if weights.name == "model":
            return self.get(str(weights))
        return self.get(spec, weights)

    def release(self) -> None:
        """Frees the memory of all models, here and on servers; the count of calls is kept."""
        self._released_calls = self.calls
        for model in self._counted.values():
            if hasattr(model.inner, "unload"):
                run_sync(model.inner.unload())
        self._counted.clear()


class Meter:
    """Counts what the models of a run answer, since a stage began.

    Args:
        budget: Knows what is in flight and what was spent.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.outcomes: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        """Starts anew: a stage begins."""
        self.outcomes.clear()
        self._since = time.monotonic()
        self._before = self.budget.spent

    def count(self, answers: Sequence[Completion]) -> None:
        """Books how answers ended."""
        self.outcomes.update(answer.outcome.kind for answer in answers)

    def text(self, done: float, total: float | None) -> str:
        """Calls in flight, tokens a second, cost so far and to come, answers that are not ok.

        Args:
            done: Units of the step that are done.
            total: Units of the step; None where that is not known yet.
        """
        spent, before = self.budget.spent, self._before
        seconds = max(1e-3, time.monotonic() - self._since)
        parts = []
        if self.budget.in_flight.calls:
            parts.append(f"{self.budget.in_flight.calls} in flight")
        if spent.tokens > before.tokens:
            received = spent.completion_tokens - before.completion_tokens
            parts.append(f"{received / seconds:,.0f} tokens/s")
        parts += self._cost(done, total)
        parts += [f"{n} {kind}" for kind, n in sorted(self.outcomes.items()) if kind != "ok"]
        return ", ".join(parts)

    def _cost(self, done: float, total: float | None) -> list[str]:
        spent = self.budget.spent.usd
        if spent is None:
            return ["cost unknown"]
        here = spent - (self._before.usd or 0.0)
        if not spent:
            return []
        more = here / done * (total - done) if total and done else 0.0
        return [f"${spent:.2f}" + (f", about ${more:.2f} more here" if more >= 0.005 else "")]
