"""The report's sections on conditions: monitors, layers and rounds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from ...evaluation.result import Evaluation
from ...evaluation.wording import change_cells
from ..drawing import COLOURS, grid_plot, plot_style, to_svg, widest
from ..html import figure, paragraph, section, table
from .artefacts import Artefacts, Json
from .plots import mark_events, series


def conditions_sections(run: Artefacts) -> str:
    """Sections on layers, rounds and conditions; "" for a run without any."""
    matrix, settings = run.forgetting, _settings(run)
    parts: list[str] = []
    if matrix is not None and matrix.get("rows"):
        parts.append(section("Layer by layer", _matrix_html(matrix["rows"])))
    if settings is not None or matrix is not None:
        parts.append(section("Conditions", _events_html(run, settings)))
    if run.evaluation is not None and "round-1" in run.evaluation.compared:
        parts.append(section("Round by round", rounds_html(run.evaluation)))
    return "".join(parts)


def _matrix_html(rows: list[Json]) -> str:
    modes = sorted({mode for row in rows for mode in row["modes"]})
    caption = (
        "The forgetting matrix: mean margin of the probe (nats per token) by failure mode, before "
        "training and after each layer. Above 0 the good answer is the likelier one. A falling "
        "column is a failure that comes back."
    )
    alt = "Heat map of probe margins, one row per layer and one column per failure mode"
    drawn = figure(heat_map(rows, modes), caption, alt=alt)
    cells = [(row["label"], *(_cell(row["modes"].get(mode)) for mode in modes)) for row in rows]
    note = paragraph(
        "Mean margin; in brackets the paired change since the row before, with its 95% interval.",
        "note",
    )
    return drawn + note + table(("after", *modes), cells)


def _cell(cell: Json | None) -> str:
    if cell is None:
        return "–"
    if "change" not in cell:
        return f"{cell['mean']:+.2f} (n={cell['n']})"
    ends = f"[{cell['change_low']:+.2f}, {cell['change_high']:+.2f}]"
    return f"{cell['mean']:+.2f} ({cell['change']:+.2f} {ends})"


def _events_html(run: Artefacts, settings: Json | None) -> str:
    if run.conditions:
        rows = [
            (
                event["monitor"].replace("_", " "),
                event.get("layer") or event.get("label") or "–",
                event["step"],
                event["policy"].replace("_", " "),
                event["action"],
                event["message"],
            )
            for event in run.conditions
        ]
        said = table(("monitor", "layer", "step", "policy", "what was done", "what was seen"), rows)
    else:
        said = paragraph("No monitor fired.")
    curves = ""
    if run.metrics:
        offsets = (run.forgetting or {}).get("offsets", {})
        caption = (
            "Loss and learning rate over all layers. Vertical lines begin a layer; a mark is a "
            "monitor that fired; a dotted stretch was rolled back."
        )
        alt = "Learning curves with the marks of monitors"
        drawn = curves_plot(run.metrics, run.undone, run.conditions, offsets)
        curves = figure(drawn, caption, alt=alt)
    return said + curves + (_settings_html(settings) if settings else "")


def _settings_html(settings: Json) -> str:
    rows = [
        (f"{block}: {name.replace('_', ' ')}", "none" if value is None else str(value))
        for block in ("data", "protection", "room")
        for name, value in (settings.get(block) or {}).items()
    ]
    watched = settings.get("monitors") or {}
    rows += [
        (f"monitor: {name.replace('_', ' ')}", value["policy"].replace("_", " "))
        for name, value in watched.items()
        if isinstance(value, dict)
    ]
    return "<h3>What the training was given</h3>" + table(("condition", "here"), rows)


def rounds_html(evaluation: Evaluation) -> str:
    """Whether the last round is better than the first, with intervals, in words and a table."""
    names = ["base", *(name for name in evaluation.compared if name.startswith("round-"))]
    names.append("trained")
    against = replace(evaluation, baseline="round-1")
    changes = against.changes("trained")
    better: list[str] = []
    worse: list[str] = []
    for change in changes:
        if change.verdict != "unclear":
            (better if change.verdict == "better" else worse).append(change.measure.label)
    count = len(names) - 1
    if better and not worse:
        said = f"{count} rounds improve on one: {', '.join(better)}."
    elif worse:
        said = f"{count} rounds are worse than one in: {', '.join(worse)}."
        said += f" Better: {', '.join(better)}." if better else ""
    else:
        said = (
            f"{count} rounds do not improve on one: no difference between the last round and the "
            "first is clear of chance."
        )
    rows = [change_cells(change) for change in changes]
    head = ("measure", "n", "after round 1", f"after round {count}", "change [95%]", "p")
    return paragraph(said) + table(head, rows)


def _settings(run: Artefacts) -> Json | None:
    """The config's conditions; None where it has none or cannot be read."""
    try:
        data = yaml.safe_load(run.config or "")
    except yaml.YAMLError:
        return None
    found = data.get("conditions") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else None


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
