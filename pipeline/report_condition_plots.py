"""Plots of the forgetting matrix, and of learning curves with the marks of monitors."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ..report.drawing import COLOURS, plot_style, to_svg
from ..report.grid import grid_plot, widest
from .report_plots import mark_events, series


def heat_map(rows: Sequence[Mapping[str, Any]], modes: Sequence[str]) -> bytes:
    """Mean margins as coloured cells with their numbers, one row per layer.

    The number in each cell says the same as its colour, so that grey print loses nothing.
    """
    cells = [[_mean(row, mode) for mode in modes] for row in rows]
    most = widest(cells)
    return grid_plot(
        [str(row["label"]) for row in rows],
        [mode.replace("_", "\n") for mode in modes],
        cells,
        words=[[f"{value:+.2f}" for value in line] for line in cells],
        colours="PuOr",
        ends=(-most, most),
    )


def _mean(row: Mapping[str, Any], mode: str) -> float:
    cell = row["modes"].get(mode)
    return float(cell["mean"]) if cell else float("nan")


def curves_plot(
    metrics: Sequence[dict[str, Any]],
    undone: Sequence[dict[str, Any]],
    events: Sequence[dict[str, Any]],
    offsets: Mapping[str, int],
) -> bytes:
    """Loss and learning rate over the steps of all layers, with what the monitors did.

    Args:
        metrics: One row per step that counts.
        undone: Rows of steps that were rolled back.
        events: Lines of `conditions.jsonl`, `step` on the same axis.
        offsets: Layer -> step before it begins; {} for a run without layers.
    """
    from matplotlib.figure import Figure

    layers = sorted(offsets.items(), key=lambda layer: layer[1])
    with plot_style():
        figure = Figure(figsize=(6.4, 4.8), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True)
        keys = (("loss", "loss"), ("learning_rate", "learning rate"))
        for axes, (key, label) in zip(panels, keys, strict=True):
            places = [*(start for _, start in layers or [("", 0)]), float("inf")]
            for first, last in itertools.pairwise(places):
                part = [row for row in metrics if first < row.get("step", 0) <= last]
                axes.plot(*series(part, key), color=COLOURS[1], marker=".", markersize=3)
            axes.plot(*series(undone, key), ":", color=COLOURS[2], linewidth=1)
            axes.set_ylabel(label)
            for _, start in layers:
                axes.axvline(start + 0.5, color="#bbbbbb", linewidth=0.8)
        mark_events(panels[0], events)
        for label, start in layers:
            panels[1].annotate(
                label,
                (start + 0.7, 0.02),
                xycoords=("data", "axes fraction"),
                fontsize=8,
                rotation=90,
                va="bottom",
                color="#555555",
            )
        panels[-1].set_xlabel("optimiser step")
        return to_svg(figure)
