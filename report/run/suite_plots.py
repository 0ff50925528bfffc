"""Plots of suites: the trade-off plane and the heat map of attacks."""

from __future__ import annotations

from collections.abc import Sequence

from ...evaluation.measure import HARM
from ...evaluation.suites.evaluation import ModelOutcomes
from ...evaluation.suites.outcome import SuiteOutcome
from ...stats.intervals import Estimate
from ..drawing import new_figure, plot_style, to_svg
from ..grid import grid_plot
from ..plane import Place, draw_arrow, draw_plane, draw_point

Point = tuple[Estimate, Estimate]
"""Over-refusal and defended."""


def plane_points(model: ModelOutcomes) -> dict[str, Point]:
    """Suites that belong together (`jbb-harmful` and `jbb-benign`) as points of the plane.

    Names before the first hyphen must agree, and so must the attack, if any.

    Returns:
        Name of the family -> over-refusal and defended.
    """
    across: dict[str, Estimate] = {}
    up: dict[str, Estimate] = {}
    for outcome in model.suites:
        family = _family(outcome.suite)
        for measure in outcome.measures():
            estimate = outcome.estimate(measure)
            if estimate is None or measure.failure_mode != HARM:
                continue
            if measure.name == "over_refusal":
                across.setdefault(family, estimate)
            elif measure.name == "defended":
                up.setdefault(family, estimate)
    return {family: (across[family], up[family]) for family in up if family in across}


def suite_plane(models: Sequence[ModelOutcomes]) -> bytes:
    """The plane, one colour per family of suites, hollow for the first model."""
    points = [plane_points(model) for model in models]
    with plot_style():
        figure, axes = new_figure(5.8, 5.0)
        draw_plane(axes, "harmless requests", "harmful requests")
        for index, family in enumerate(points[0], start=1):
            start: Place | None = None
            for number, found in enumerate(points):
                if family not in found:
                    continue
                label = f"{family}, {models[number].name}"
                at = draw_point(axes, *found[family], index, label, hollow=not number)
                if start is not None and start != at:
                    draw_arrow(axes, start, at)
                start = start or at
        axes.legend(
            frameon=False, ncols=2, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14)
        )
        return to_svg(figure)


def attacks_of(models: Sequence[ModelOutcomes]) -> list[str]:
    """Harmful suites of all models, plain ones before attacked ones; see `attack_plot`."""
    names = dict.fromkeys(
        outcome.suite for model in models for outcome in model.suites if _harmful(outcome)
    )
    return sorted(names, key=lambda name: (name.split("+")[0], "+" in name, name))


def attack_plot(models: Sequence[ModelOutcomes], suites: Sequence[str]) -> bytes:
    """Defended rates as a heat map: attacks and settings down, models across."""
    cells: list[list[float]] = []
    words: list[list[str]] = []
    for name in suites:
        found = [_shares(model.suite(name)) for model in models]
        cells.append([pair[0] for pair in found])
        words.append([f"{100 * good:.0f}% / {100 * lost:.0f}%" for good, lost in found])
    return grid_plot(
        [_row_name(name) for name in suites],
        [model.name for model in models],
        cells,
        words=words,
        colours="Blues",
        ends=(0.0, 1.0),
        label="defended / incoherent",
    )


def _row_name(suite: str) -> str:
    plain, _, attack = suite.partition("+")
    return f"{plain}, {attack.replace('_', ' ')}" if attack else f"{plain}, plain"


def _shares(outcome: SuiteOutcome | None) -> tuple[float, float]:
    """Defended and incoherent, nan where not measured."""
    found = {"defended": float("nan"), "incoherent": float("nan")}
    if outcome is not None:
        for measure in outcome.measures():
            if measure.failure_mode == HARM and measure.role == "at_risk" and measure.name in found:
                estimate = outcome.estimate(measure)
                found[measure.name] = estimate.value if estimate else float("nan")
    return found["defended"], found["incoherent"]


def _harmful(outcome: SuiteOutcome) -> bool:
    return any(measure.name == "defended" for measure in outcome.measures())


def _family(suite: str) -> str:
    plain, plus, attack = suite.partition("+")
    return plain.split("-")[0] + plus + attack
