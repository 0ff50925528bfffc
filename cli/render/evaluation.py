"""The verdict in the terminal: one sentence, then one table per compared model."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...evaluation.change import Change
from ...evaluation.result import Evaluation
from ...evaluation.wording import (
    CAPTION,
    change_cells,
    percent,
    undecided_texts,
    value_text,
    verdict_sentence,
)


def evaluation_report(evaluation: Evaluation) -> RenderableType:
    """Everything to print: verdict first, then the tables, then the notes.

    Args:
        evaluation: With a baseline the tables compare; without one they list.
    """
    parts: list[RenderableType] = []
    if evaluation.compared:
        for name in evaluation.compared:
            parts += [Text(verdict_sentence(evaluation, name), style="bold"), Text()]
            title = f"{evaluation.baseline} → {name}"
            parts.append(change_table(title, evaluation.changes(name)))
    else:
        parts += [Text(verdict_sentence(evaluation), style="bold"), Text()]
        parts.append(value_table(evaluation))
    parts += [Text(line) for line in undecided_texts(evaluation)]
    parts.append(Text(CAPTION, style="dim"))
    for model in evaluation.models:
        if model.errors:
            parts.append(
                Text(f"{model.name}: {model.errors} calls failed and are left out of every rate.")
            )
        parts += [Text(f"{model.name}: {note}") for note in model.notes]
    return Group(*parts)


def change_table(title: str, found: Sequence[Change], *, suites: bool = False) -> Table:
    """Before, after, change with its interval and p, one row per measure.

    Args:
        title: What is compared.
        found: The changes, in the order of the rows.
        suites: True where they were measured on suites, which then head their rows.
    """
    table = Table(title=Text(title), title_justify="left")
    if suites:
        table.add_column("suite", overflow="fold")
    table.add_column("measure", overflow="fold" if suites else "ellipsis")
    for column in ("n", "before", "after", "change [95%]", "p"):
        table.add_column(column, justify="right")
    block = ""
    for change in found:
        measure = change.measure
        now = measure.suite or measure.family
        if block and now != block:
            table.add_section()
        head = (measure.suite if now != block else "",) if suites else ()
        block = now
        cells = (*head, measure.label, *change_cells(change)[1:])
        table.add_row(*map(Text, cells), style=_STYLES[change.verdict])  # Text: a name may hold [x]
    return table


_STYLES = {"better": "green", "worse": "red", "unclear": ""}
"""Colour only what was shown, and only where a direction is good or bad."""


def value_table(evaluation: Evaluation) -> Table:
    """One column per model, one row per measure: value and 95% interval."""
    table = Table(title_justify="left")
    table.add_column("measure")
    for model in evaluation.models:
        table.add_column(Text(model.name), justify="right")
    for measure in evaluation.models[0].measures():
        cells = []
        for model in evaluation.models:
            estimate = model.estimate(measure)
            if estimate is None:
                cells.append("not measured")
                continue
            ends = estimate.interval
            span = f"{ends.low:.2f} to {ends.high:.2f}"
            if measure.in_percent:
                span = f"{percent(ends.low)} to {percent(ends.high)}"
            cells.append(f"{value_text(measure, estimate)} [{span}]")
        table.add_row(Text(measure.label), *(Text(cell) for cell in cells))
    return table
