"""The report's sections on conditions: what was watched, layer by layer and round by round."""

from __future__ import annotations

from dataclasses import replace

import yaml

from ..evaluation.result import Evaluation
from ..evaluation.wording import change_cells
from ..report.html import figure, paragraph, section, table
from .report_artefacts import Artefacts, Json
from .report_condition_plots import curves_plot, heat_map


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
        if change.is_better is not None:
            (better if change.is_better else worse).append(change.measure.label)
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
