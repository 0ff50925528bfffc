"""The verdict in the terminal: one sentence, then one table per compared model."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...evaluation.change import Change
from ...evaluation.result import Evaluation
from ...evaluation.wording import CAPTION, change_cells, percent, value_text, verdict_sentence


def evaluation_report(evaluation: Evaluation) -> RenderableType:
    """Everything to print: verdict first, then the tables, then the notes.

    Args:
        evaluation: With a baseline the tables compare; without one they list.
    """
    parts: list[RenderableType] = []
    if evaluation.compared:
        for name in evaluation.compared:
            parts += [Text(verdict_sentence(evaluation, name), style="bold"), Text()]
            parts.append(change_table(evaluation, name))
    else:
        parts += [Text(verdict_sentence(evaluation), style="bold"), Text()]
        parts.append(value_table(evaluation))
    parts.append(Text(CAPTION, style="dim"))
    for model in evaluation.models:
        if model.errors:
            parts.append(
                Text(f"{model.name}: {model.errors} calls failed and are left out of every rate.")
            )
        parts += [Text(f"{model.name}: {note}") for note in model.notes]
    return Group(*parts)


def change_table(evaluation: Evaluation, name: str) -> Table:
    """Before, after, change with its interval and p, one row per measure.

    Args:
        evaluation: With a baseline.
        name: The model compared with it.
    """
    table = Table(title=Text(f"{evaluation.baseline} → {name}"), title_justify="left")
    table.add_column("measure")
    for column in ("n", "before", "after", "change [95%]", "p"):
        table.add_column(column, justify="right")
    family = ""
    for change in evaluation.changes(name):
        if family and change.measure.family != family:
            table.add_section()
        family = change.measure.family
        table.add_row(*_cells(change), style=_style(change))
    return table


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
            if measure.is_rate or measure.name == "repetition":
                span = f"{percent(ends.low)} to {percent(ends.high)}"
            cells.append(f"{value_text(measure, estimate)} [{span}]")
        table.add_row(Text(measure.label), *(Text(cell) for cell in cells))
    return table


def _cells(change: Change) -> tuple[Text, ...]:
    return tuple(Text(cell) for cell in change_cells(change))  # Text: a name may hold [markup]


def _style(change: Change) -> str:
    """Colour only what was shown, and only where a direction is good or bad."""
    return {True: "green", False: "red", None: ""}[change.is_better]
