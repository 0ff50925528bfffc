"""What the terminal says about the calls while a stage runs: speed, cost, outcomes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from ..llm.budget import Budget
from ..llm.request import Completion


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
