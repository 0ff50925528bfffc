"""The trade-off plot: share defended against share over-refused, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..evaluation.model_evaluation import ModelEvaluation
from ..stats.intervals import Estimate, Rate
from .drawing import COLOURS, MARKERS, new_figure, plot_style, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Place = tuple[float, float]
"""Over-refusal and defence in per cent."""


def trade_off_plot(models: Sequence[ModelEvaluation]) -> bytes:
    """Defended against over-refusal, with an arrow from the first model to each other."""
    with plot_style():
        figure, axes = new_figure(5.8, 4.4)
        draw_plane(axes, "twins", "at-risk")
        first: Place | None = None
        for index, model in enumerate(models):
            at = draw_point(axes, model.over_refusal, model.defended, index, model.name)
            if first is not None and math.dist(first, at) > 1:
                draw_arrow(axes, first, at)
            first = first or at
        axes.text(
            74, 66, "dotted: refuses\nboth alike", ha="left", va="top", fontsize=9, color="#555"
        )
        axes.legend(frameon=False, loc="lower right")
        return to_svg(figure)


def draw_plane(axes: Axes, harmless: str, harmful: str) -> None:
    """The empty plane: limits, axes in words, and where a model refuses both alike.

    Args:
        axes: Empty axes.
        harmless: What the right axis counts refusals of.
        harmful: What the upper axis counts refusals of.
    """
    axes.plot([0, 100], [0, 100], linestyle=":", color="#999999", linewidth=1)
    axes.set_xlim(-3, 103)
    axes.set_ylim(-3, 103)
    axes.set_xlabel(f"over-refusal: % of {harmless} refused (less is better)")
    axes.set_ylabel(f"defended: % of {harmful} refused\n(more is better)")


def draw_point(
    axes: Axes,
    across: Rate | Estimate,
    up: Rate | Estimate,
    index: int,
    label: str,
    *,
    hollow: bool = False,
) -> Place:
    """One model with both intervals.

    Args:
        axes: The plane.
        across: Its over-refusal.
        up: Its defence.
        index: Picks colour and marker.
        label: For the legend.
        hollow: Draw it unfilled.

    Returns:
        Where it lies.
    """
    x, y = 100 * across.value, 100 * up.value
    colour = COLOURS[index % len(COLOURS)]
    axes.errorbar(
        [x],
        [y],
        xerr=[[x - 100 * across.interval.low], [100 * across.interval.high - x]],
        yerr=[[y - 100 * up.interval.low], [100 * up.interval.high - y]],
        fmt=MARKERS[index % len(MARKERS)],
        markersize=9,
        color=colour,
        markerfacecolor="white" if hollow else colour,
        ecolor="#bbbbbb",
        label=label,
        zorder=3,
    )
    return x, y


def draw_arrow(axes: Axes, start: Place, end: Place) -> None:
    """From one model to another."""
    arrow = {"arrowstyle": "->", "color": "#333333", "shrinkA": 6, "shrinkB": 6}
    axes.annotate("", xy=end, xytext=start, arrowprops=arrow, zorder=2)
