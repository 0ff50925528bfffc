"""An estimate as a table, with what it leaves out."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...llm.budget import BudgetLimits, Spending
from ...llm.prices import NO_FEE
from ...pipeline.estimate import RunEstimate


def estimate_text(found: RunEstimate, limits: BudgetLimits) -> RenderableType:
    """The table of an estimate, the prices used, and whether the budget will do."""
    table = Table(title="What the run would ask, low to high")
    table.add_column("stage")
    table.add_column("model", overflow="fold")
    for column in ("calls", "tokens in", "tokens out", "cost"):
        table.add_column(column, justify="right")
    for row in found.rows:
        table.add_row(row.stage, row.model, *_cells(row.low, row.high, _fee(found, row.model)))
    table.add_section()
    free = all(price is NO_FEE for price in found.prices.values())
    table.add_row("all", "", *_cells(found.low, found.high, not free))
    lines = [
        *_price_lines(found),
        *found.notes,
        *_budget_lines(found, limits),
        found.time,
        "Training asks no model. Calls already stored are free and not taken off here. Failed "
        "calls that are tried again are not counted.",
    ]
    return Group(table, *(Text(line) for line in lines))


def _fee(found: RunEstimate, model: str) -> bool:
    return found.prices[model] is not NO_FEE


def _cells(low: Spending, high: Spending, fee: bool) -> tuple[str, str, str, str]:
    if not fee:
        cost = "no fee"
    elif low.usd is None or high.usd is None:
        cost = "unknown price"
    else:
        cost = f"${low.usd:,.2f} to ${high.usd:,.2f}"
    return (
        _range(low.calls, high.calls),
        _range(low.prompt_tokens, high.prompt_tokens),
        _range(low.completion_tokens, high.completion_tokens),
        cost,
    )


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _price_lines(found: RunEstimate) -> list[str]:
    lines = []
    for model, price in found.prices.items():
        if price is None:
            lines.append(
                f"The price of {model} is not known, so no cost is given; a file named by "
                "`budget.prices` can say it."
            )
        elif price is not NO_FEE:
            source = f", {price.source}" if price.source else ""
            lines.append(
                f"{model}: ${price.prompt:g} in and ${price.completion:g} out per million tokens "
                f"(as of {price.as_of}{source}); check it before a large run."
            )
    return lines


def _budget_lines(found: RunEstimate, limits: BudgetLimits) -> list[str]:
    lines = []
    for name, cap, low, high in (
        ("max_calls", limits.max_calls, found.low.calls, found.high.calls),
        ("max_tokens", limits.max_tokens, found.low.tokens, found.high.tokens),
        ("max_usd", limits.max_usd, found.low.usd, found.high.usd),
    ):
        if cap is None or low is None or high is None:
            continue
        if low > cap:
            lines.append(f"`{name}: {cap:g}` will not do: the low estimate is above it.")
        elif high > cap:
            lines.append(f"`{name}: {cap:g}` may not do: the high estimate is above it.")
    return lines
