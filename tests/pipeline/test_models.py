from __future__ import annotations

from anlage.llm.budget import Budget, BudgetLimits, Spending
from anlage.llm.request import Completion, Outcome
from anlage.pipeline.models import Meter


def test_it_says_speed_cost_and_what_went_wrong_since_the_stage_began() -> None:
    budget = Budget(BudgetLimits(), Spending(5, 100, 100, 1.0))
    meter = Meter(budget)
    assert meter.text(0, None) == "$1.00"
    expected = Spending(10, 1000, 1000, 0.5)
    assert budget.limits.max_usd is None
    budget.settle(Spending(), Spending(2, 20, 60, 0.5))
    meter.count([Completion("a"), Completion("", outcome=Outcome("error", "x"))])
    text = meter.text(2, 10)
    assert "tokens/s" in text
    assert "$1.50, about $2.00 more here" in text
    assert text.endswith("1 error")
    budget.settle(expected, Spending())  # a budget counts what is in flight, even below nothing
    meter.begin()
    assert meter.text(2, 10).endswith("$1.50")


def test_an_unknown_price_is_said() -> None:
    assert Meter(Budget(BudgetLimits(), Spending(1, 1, 1, None))).text(0, 1) == "cost unknown"
