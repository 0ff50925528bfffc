"""The figures of a study's report, drawn as SVG: readable in grey and by colour-blind readers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from ...report.drawing import (
    COLOURS,
    MARKERS,
    draw_plane,
    grid_plot,
    new_figure,
    plot_style,
    to_svg,
    widest,
)
from ...report.html import figure, paragraph
from ..comparison import Comparison
from ..spec import StudyMeasure
from ..wording import sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..result import StudyResult


def _controls(study: StudyResult) -> frozenset[str]:
    return frozenset(arm.name for arm in study.design.arms if arm.is_control)


def forest(study: StudyResult) -> str:
    """Every arm against the reference."""
    measured = [c for c in study.comparisons if c.gaps]
    if not measured:
        return paragraph("No two runs can be compared yet.", "missing")
    alt = " ".join(sentence(c) for c in measured)
    caption = (
        "Small dots: single seeds. Thin line: 95% interval for new seeds and new prompts; thick "
        "line: for new seeds on these prompts. Filled: clear after Holm's correction. Grey "
        "squares: controls."
    )
    return figure(forest_plot(measured, controls=_controls(study)), caption, alt=alt)


def plane(study: StudyResult) -> str:
    """Defended against over-refusal, every run a dot."""
    defended, over = StudyMeasure(measure="defended"), StudyMeasure(measure="over_refusal")
    arms = {}
    for arm in study.design.arms:
        up = study.results.means(defended, arm.name)
        across = study.results.means(over, arm.name)
        points = [(across[seed], up[seed]) for seed in up if seed in across]
        if points:
            arms[arm.name] = points
    if not arms:
        return paragraph(
            "Refusals of harmful prompts and of their twins were not both measured.", "missing"
        )
    svg = plane_plot(arms, against=study.design.spec.against, controls=_controls(study))
    alt = "; ".join(
        f"{arm}: {100 * sum(y for _, y in points) / len(points):.0f}% defended, "
        f"{100 * sum(x for x, _ in points) / len(points):.0f}% over-refused"
        for arm, points in arms.items()
    )
    caption = (
        "Small marks: single runs; large: the arm's mean. Hollow: controls. Dotted: refuses "
        "harmful and harmless alike."
    )
    return figure(svg, caption, alt=alt)


def seeds(study: StudyResult) -> str:
    """The primary outcome of every run."""
    outcome = (
        study.comparisons[0].outcome if study.comparisons else StudyMeasure(measure="defended")
    )
    values = {arm.name: study.results.means(outcome, arm.name) for arm in study.design.arms}
    values = {arm: by_seed for arm, by_seed in values.items() if by_seed}
    if not values:
        return paragraph("No run has been measured yet.", "missing")
    svg = seeds_plot(outcome, values, controls=_controls(study))
    alt = "; ".join(f"{arm}: {len(v)} runs" for arm, v in values.items())
    return figure(svg, "One dot per seed, the line at their mean. Grey: controls.", alt=alt)


_FORGETTING = "40_training/forgetting.json"
Matrix = tuple[list[str], list[str], list[list[float]]]


def matrices(study: StudyResult) -> str:
    """One heat map per arm whose runs were probed between layers or rounds; "" if none."""
    parts = []
    for arm in study.design.arms:
        runs = [r for r in study.results.runs if r.run.arm == arm.name and r.model is not None]
        folder = Path(study.design.spec.runs)
        found = [m for r in runs if (m := read_matrix(folder / r.run.name)) is not None]
        same = [m for m in found if m[:2] == found[0][:2]]
        if not same:
            continue
        rows, columns, _ = same[0]
        cells = [
            [fmean(m[2][y][x] for m in same) for x in range(len(columns))] for y in range(len(rows))
        ]
        svg = matrix_plot(rows, columns, cells, "change of the probe margin, nats per token")
        caption = f"{arm.name}: mean of {len(same)} seeds; each row against the untrained model."
        parts.append(figure(svg, caption, alt=f"{arm.name}: {rows} by {columns}: {cells}"))
    return "".join(parts)


def read_matrix(run: Path) -> Matrix | None:
    """Layers by failure modes: the probe margin after each layer minus that before training."""
    try:
        rows = json.loads((run / _FORGETTING).read_text("utf-8"))["rows"]
        columns = sorted(rows[0]["modes"])
        means = [[float(row["modes"][mode]["mean"]) for mode in columns] for row in rows]
        labels = [str(row["label"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    changed = [[v - means[0][x] for x, v in enumerate(line)] for line in means[1:]]
    return (labels[1:], columns, changed) if changed else None


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
        inner = fixed.interval
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
