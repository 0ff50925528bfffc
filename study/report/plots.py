"""Draws a study's plots as SVG, readable in grey and by colour-blind readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...report.drawing import COLOURS, MARKERS, new_figure, plot_style, to_svg
from ...report.grid import grid_plot, widest
from ...report.plane import draw_plane
from ..comparison import Comparison
from ..outcome import StudyMeasure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREY = COLOURS[0]


def forest_plot(comparisons: Sequence[Comparison], *, controls: frozenset[str]) -> bytes:
    """One row per arm: seeds as dots, mean, interval for new prompts, for these prompts."""
    outcome = comparisons[0].outcome
    scale = 100.0 if outcome.what.in_points else 1.0
    with plot_style():
        figure, axes = new_figure(6.6, 1.5 + 0.46 * len(comparisons))
        for row, comparison in enumerate(comparisons):
            colour = _GREY if comparison.arm in controls else COLOURS[1]
            marker = MARKERS[1] if comparison.arm in controls else MARKERS[0]
            _forest_row(axes, comparison, row, scale, colour, marker)
        axes.axvline(0, color="#333333", linewidth=0.8)
        axes.set_yticks(range(len(comparisons)), [c.arm for c in comparisons], fontsize=10)
        axes.set_ylim(len(comparisons) - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=6)
        unit = outcome.what.unit
        axes.set_xlabel(f"{outcome.what.label}:\ndifference from {comparisons[0].against} ({unit})")
        return to_svg(figure)


def _forest_row(
    axes: Axes, comparison: Comparison, row: int, scale: float, colour: str, marker: str
) -> None:
    gaps = [scale * gap for gap in comparison.gaps]
    axes.plot(gaps, [row + 0.22] * len(gaps), ".", color="#555555", markersize=5, zorder=2)
    best, fixed = comparison.best, comparison.fixed
    if best is None:
        return
    ends = [scale * best.interval.low, scale * best.interval.high]
    axes.plot(ends, [row, row], color=colour, linewidth=1.4, solid_capstyle="butt", zorder=3)
    if fixed is not None:
        inner = fixed.difference.interval
        span = [scale * inner.low, scale * inner.high]
        axes.plot(span, [row, row], color=colour, linewidth=4, solid_capstyle="butt", alpha=0.6)
    filled = colour if comparison.verdict in ("higher", "lower") else "white"
    axes.plot(
        [scale * best.value], [row], marker, color=colour, markerfacecolor=filled,
        markersize=8, zorder=4,
    )  # fmt: skip


def plane_plot(
    arms: Mapping[str, Sequence[tuple[float, float]]], *, against: str, controls: frozenset[str]
) -> bytes:
    """The trade-off plane: one dot per run, arms by colour and marker, means larger.

    Args:
        arms: Arm -> (over-refusal, defended) of each run, in [0, 1].
        against: The reference arm.
        controls: Names of control arms, drawn hollow.
    """
    with plot_style():
        figure, axes = new_figure(6.6, 5.4)
        draw_plane(axes, "twins", "at-risk")
        for index, (arm, points) in enumerate(arms.items()):
            across = [100 * x for x, _ in points]
            up = [100 * y for _, y in points]
            colour = "#222222" if arm == against else COLOURS[index % len(COLOURS)]
            marker = "*" if arm == against else MARKERS[index % len(MARKERS)]
            face = "white" if arm in controls else colour
            axes.plot(across, up, marker, color=colour, markersize=4, alpha=0.5, zorder=2)
            mean = (sum(across) / len(across), sum(up) / len(up))
            axes.plot(
                [mean[0]], [mean[1]], marker, color=colour, markerfacecolor=face,
                markersize=13 if arm == against else 9, label=arm, zorder=3, linestyle="none",
            )  # fmt: skip
        axes.legend(
            frameon=False, ncols=2, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.17)
        )
        return to_svg(figure)


def seeds_plot(
    outcome: StudyMeasure, values: Mapping[str, Mapping[int, float]], *, controls: frozenset[str]
) -> bytes:
    """Each run's own value: one row per arm, one dot per seed, the mean as a line."""
    scale = 100.0 if outcome.what.in_points else 1.0
    with plot_style():
        figure, axes = new_figure(6.6, 1.5 + 0.4 * len(values))
        for row, (arm, by_seed) in enumerate(values.items()):
            own = [scale * value for value in by_seed.values()]
            colour = _GREY if arm in controls else COLOURS[1]
            axes.plot(own, [row] * len(own), MARKERS[0], color=colour, markersize=6, alpha=0.7)
            if own:
                middle = sum(own) / len(own)
                axes.plot([middle, middle], [row - 0.3, row + 0.3], color="#222222", linewidth=1.6)
        axes.set_yticks(range(len(values)), list(values), fontsize=10)
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=6)
        unit = "%" if outcome.what.in_points else outcome.what.unit
        axes.set_xlabel(f"{outcome.what.label} ({unit})")
        return to_svg(figure)


def matrix_plot(
    rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[float]], label: str
) -> bytes:
    """A heat map with its numbers in it; blue is a gain, orange a loss, white nothing."""
    from matplotlib.colors import LinearSegmentedColormap

    most = widest(cells)
    colours = LinearSegmentedColormap.from_list("loss-gain", [COLOURS[2], "#ffffff", COLOURS[1]])
    return grid_plot(
        rows,
        [column.replace("_", "\n") for column in columns],
        cells,
        words=[[f"{value:+.2f}" for value in line] for line in cells],
        colours=colours,
        ends=(-most, most),
        label=label,
    )
