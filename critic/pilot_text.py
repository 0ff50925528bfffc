"""A pilot as a table and one sentence of advice for each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .pilot import Advice, PilotRow

_MEANING: Final[dict[Advice, str]] = {
    "keep": "it decides, in both orders, and not like another",
    "merge": "another principle decides the same pairs alike: one of the two is enough",
    "rewrite": "the verdict changes with the order of the answers on half of the pairs or more",
    "unused": "no training prompt calls for it",
    "too few pairs": "there are not enough labelled pairs of its failure mode",
}


def pilot_text(rows: Sequence[PilotRow], model: str) -> RenderableType:
    """One row per principle, then what the advice means and how often it was given."""
    table = Table(title=f"What {model} makes of each principle")
    table.add_column("principle", overflow="fold")
    for column in ("applies", "orders agree", "right", "ambiguity", "alike"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("advice", overflow="fold")
    for row in rows:
        advice = f"merge with {row.twin}" if row.advice == "merge" else row.advice
        right = f"{row.right.successes}/{row.right.n}" if row.right.n else "-"
        table.add_row(
            row.principle,
            f"{row.reach:.1%}",
            f"{row.orders.successes}/{row.orders.n}",
            right,
            f"{row.ambiguity:.2f}",
            f"{row.alike:.2f}" if row.twin else "-",
            advice,
        )
    counts = Counter(row.advice for row in rows)
    lines = [f"{counts[name]} {name}: {_MEANING[name]}." for name in _MEANING if counts[name]]
    note = (
        "applies: share of the training prompts it is drawn for. right: decided pairs in which the "
        "good answer won. alike: share of pairs with the verdict of the nearest other principle. "
        "Few pairs each: read it as a hint."
    )
    return Group(table, *(Text(line) for line in lines), Text(note, style="dim"))
