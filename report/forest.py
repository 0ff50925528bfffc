"""Forest plots: one row per measure, its change with the 95% interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluation.change import Change
from .drawing import COLOURS, new_figure, plot_style, to_svg

_GOOD, _BAD, _OPEN = COLOURS[1], COLOURS[2], "#555555"


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One change as it is drawn.

    Attributes:
        label: What was measured.
        value: The change.
        low: Lower end of its 95% interval.
        high: Upper end.
        better: True for clearly better, False for clearly worse, None where unclear
            or where neither direction is good.
    """

    label: str
    value: float
    low: float
    high: float
    better: bool | None


def forest_rows(found: Sequence[Change]) -> list[ForestRow]:
    """Changes as rows: rates in points, all others in their own unit."""
    return [_row(change) for change in found]


def _row(change: Change) -> ForestRow:
    label = change.measure.full_label.removeprefix("probe, ")
    value, ends = change.difference.value, change.difference.interval
    scale = 100 if change.measure.in_points else 1
    better = {"better": True, "worse": False}.get(change.verdict)
    return ForestRow(label, scale * value, scale * ends.low, scale * ends.high, better)


def forest_plot(rows: Sequence[ForestRow], unit: str) -> bytes:
    """Dots with intervals, filled where the change is clear.

    A blue square is clearly better, an orange diamond clearly worse, a hollow circle
    unclear: form says the same as colour.

    Args:
        rows: From above to below.
        unit: What stands below the axis.
    """
    with plot_style():
        figure, axes = new_figure(6.2, 1.2 + 0.36 * len(rows))
        for place, row in enumerate(rows):
            marker, colour = "o", _OPEN
            if row.better is not None:
                marker, colour = ("s", _GOOD) if row.better else ("D", _BAD)
            axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6, zorder=2)
            face = "white" if row.better is None else colour
            axes.plot(
                [row.value], [place], marker, color=colour, markerfacecolor=face, markersize=7
            )
        axes.axvline(0, color="#333333", linewidth=0.8, zorder=1)
        axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=9)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel(unit)
        return to_svg(figure)
