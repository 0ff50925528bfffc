"""The plots that reports share (forest, grid, trade-off plane), their colours and their SVG."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..evaluation.change import Change
from ..evaluation.model_evaluation import ModelEvaluation
from ..stats.intervals import Estimate, Rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


# Okabe and Ito's palette, for colour-blind readers. Grey first, since the baseline comes first;
# a lighter one could be taken for green or pink.
COLOURS = ("#5f5f5f", "#0072B2", "#D55E00", "#009E73", "#CC79A7")


MARKERS = ("o", "s", "D", "^", "v")


@contextmanager
def plot_style() -> Iterator[None]:
    """Our settings, for drawing as well as for saving; the caller's own stay as they are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcParams.update(
            {
                "font.size": 12,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "svg.hashsalt": "anlage",  # the same data give the same bytes
                "text.parse_math": False,  # a model's name may hold a dollar sign
            }
        )
        yield


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of some inches with one set of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG; the same data give the same bytes."""
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue()


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


def grid_plot(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[float]],
    *,
    words: Sequence[Sequence[str]],
    colours: str | Colormap,
    ends: tuple[float, float],
    label: str = "",
) -> bytes:
    """Coloured cells with a text in each, so that grey print loses nothing.

    Args:
        rows: Names of the rows, from above.
        columns: Names of the columns; a line break is kept.
        cells: Values, one line per row; nan leaves a cell white.
        words: What each cell says.
        colours: A matplotlib colour map, or its name.
        ends: Values of its first and last colour.
        label: What stands below.
    """
    with plot_style():
        from matplotlib import colormaps

        shades = colormaps[colours] if isinstance(colours, str) else colours
        high = max(1, *(name.count("\n") + 1 for name in columns))
        figure, axes = new_figure(
            max(5.2, 2.6 + 0.95 * len(columns)), 1.1 + 0.24 * high + 0.45 * len(rows)
        )
        axes.imshow(cells, cmap=shades, vmin=ends[0], vmax=ends[1], aspect="auto")
        span = ends[1] - ends[0] or 1.0
        for y, line in enumerate(cells):
            for x, value in enumerate(line):
                if math.isfinite(value):
                    red, green, blue, _ = shades((value - ends[0]) / span)
                    light = 0.3 * red + 0.59 * green + 0.11 * blue
                    ink = "#222222" if light > 0.5 else "white"
                    axes.text(x, y, words[y][x], ha="center", va="center", fontsize=9, color=ink)
        axes.set_xticks(range(len(columns)), list(columns), fontsize=9)
        axes.set_yticks(range(len(rows)), list(rows), fontsize=9)
        axes.set_xlabel(label)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return to_svg(figure)


def widest(cells: Sequence[Sequence[float]]) -> float:
    """The largest finite distance from 0, or 1 where there is none."""
    return max((abs(v) for line in cells for v in line if math.isfinite(v)), default=1.0) or 1.0


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
    """The empty plane: limits, axes in words, and where a model refuses both alike."""
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
    """One model with both intervals."""
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
