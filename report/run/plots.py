"""Draws the report's plots as SVG, readable in grey and by colour-blind readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...evaluation.measure import Measure
from ...evaluation.model_evaluation import ModelEvaluation
from ...stats.intervals import Estimate
from ..drawing import COLOURS, MARKERS, new_figure, plot_style, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EVENT_MARKS = {
    "dead_rate": "o",
    "not_finite": "X",
    "kl_budget": "s",
    "falling_chosen": "v",
    "stall": "D",
    "re_injury": "P",
}
"""One form per monitor."""


def rates_plot(models: Sequence[ModelEvaluation], measures: Sequence[Measure]) -> bytes:
    """Bars of rates, one group per measure, with Wilson intervals."""
    with plot_style():
        figure, axes = new_figure(5.8, 3.6)
        width = 0.8 / len(models)
        for index, model in enumerate(models):
            rates = [model.estimate(measure) for measure in measures]
            places = [at + (index - (len(models) - 1) / 2) * width for at in range(len(measures))]
            axes.bar(
                places,
                [100 * rate.value if rate else math.nan for rate in rates],
                width * 0.92,
                yerr=[_errors(rates, 0), _errors(rates, 1)],
                capsize=3,
                color=COLOURS[index % len(COLOURS)],
                hatch="//" if index == 0 else None,
                edgecolor="white" if index == 0 else "none",
                label=model.name,
            )
        axes.set_xticks(range(len(measures)), [m.label.replace(", ", ",\n") for m in measures])
        axes.set_ylim(0, 100)
        axes.set_ylabel("% of answers")
        axes.legend(frameon=False, ncols=2)
        return to_svg(figure)


def probe_plot(models: Sequence[ModelEvaluation], measures: Sequence[Measure]) -> bytes:
    """Dots of probe margins with t intervals, one row per failure mode and role."""
    with plot_style():
        figure, axes = new_figure(5.8, 1.4 + 0.5 * len(measures))
        for index, model in enumerate(models):
            shift = (index - (len(models) - 1) / 2) * 0.22
            for row, measure in enumerate(measures):
                estimate = model.estimate(measure)
                if estimate is None:
                    continue
                ends = estimate.interval
                axes.errorbar(
                    [estimate.value],
                    [row + shift],
                    xerr=[[estimate.value - ends.low], [ends.high - estimate.value]],
                    fmt=MARKERS[index % len(MARKERS)],
                    markersize=6,
                    color=COLOURS[index % len(COLOURS)],
                    label=model.name if row == 0 else None,
                )
        axes.axvline(0, color="#333333", linewidth=0.8)
        axes.set_yticks(
            range(len(measures)),
            [m.label.removeprefix("probe, ").replace(", ", ",\n") for m in measures],
            fontsize=9,
        )
        axes.invert_yaxis()
        axes.set_xlabel("margin, nats per token\n(right of 0: the good answer is likelier)")
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(models))
        return to_svg(figure)


def learning_plot(
    metrics: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]] = ()
) -> bytes:
    """Loss, reward margin and log-probabilities against the optimiser step."""
    from matplotlib.figure import Figure

    with plot_style():
        figure = Figure(figsize=(5.8, 6.6), layout="constrained")
        panels = figure.subplots(3, 1, sharex=True)
        groups = (("loss",), ("rewards/margins",), ("logps/chosen", "logps/rejected"))
        labels = ("loss", "reward margin", "log-probability (nats)")
        for axes, keys, label in zip(panels, groups, labels, strict=True):
            for index, key in enumerate(keys):
                points = series(metrics, key)
                style = "--" if index else "-"
                colour = COLOURS[1 + index]
                axes.plot(*points, style, color=colour, label=key, marker=".", markersize=3)
            axes.set_ylabel(label)
            if len(keys) > 1:
                axes.legend(frameon=False)
        mark_events(panels[0], events)
        panels[-1].set_xlabel("optimiser step")
        return to_svg(figure)


def mark_events(axes: Axes, events: Sequence[dict[str, Any]]) -> None:
    """A mark on the upper edge for each monitor that fired, one form per monitor."""
    top = axes.get_ylim()[1]
    for name in dict.fromkeys(event["monitor"] for event in events):
        steps = [event["step"] for event in events if event["monitor"] == name]
        axes.plot(
            steps,
            [top] * len(steps),
            EVENT_MARKS.get(name, "*"),
            color="black",
            markersize=8,
            clip_on=False,
            label=name.replace("_", " "),
        )
    if events:
        axes.legend(frameon=False, fontsize=9)


def series(metrics: Sequence[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Steps and finite values of one metric."""
    steps, values = [], []
    for row in metrics:
        step, value = row.get("step"), row.get(key)
        if (
            isinstance(step, int | float)
            and isinstance(value, int | float)
            and math.isfinite(value)
        ):
            steps.append(float(step))
            values.append(float(value))
    return steps, values


def _errors(rates: Sequence[Estimate | None], side: int) -> list[float]:
    lengths = []
    for rate in rates:
        if rate is None:
            lengths.append(0.0)
            continue
        ends = (rate.value - rate.interval.low, rate.interval.high - rate.value)
        lengths.append(100 * ends[side])
    return lengths
