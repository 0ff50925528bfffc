"""A pilot as a table and one sentence of advice for each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...authoring.pilot import Advice, PilotRow

_MEANING: Final[dict[Advice, str]] = {
    "keep": "it decides, in both orders, and not like another",
    "merge": "another principle decides the same pairs alike: one of the two is enough",
    "rewrite": "the verdict turns with the order of the answers, or is wrong, on half of the pairs",
    "unused": "no training prompt calls for it",
    "too few pairs": "there are not enough labelled pairs of its failure mode",
}


def pilot_text(rows: Sequence[PilotRow], model: str) -> RenderableType:
    """One row per principle, then what the advice means and how often it was given."""
    table = Table(title=f"What {model} makes of each principle")
    table.add_column("principle", overflow="fold", min_width=26)
    for column in ("applies", "orders", "right", "ambig.", "alike"):
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
        "applies: share of the training prompts it is drawn for. orders: pairs on which both "
        "orders agree. right: decided pairs in which the good answer won. ambig.: 0 is sure, 1 a "
        "coin. alike: share of pairs with the verdict of the nearest other principle. "
        "Few pairs each: read it as a hint."
    )
    return Group(table, *(Text(line) for line in lines), Text(note, style="dim"))
