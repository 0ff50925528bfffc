"""A heat map with the value of each cell written in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .drawing import new_figure, plot_style, to_svg

if TYPE_CHECKING:
    from matplotlib.colors import Colormap


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

    Returns:
        An SVG.
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
