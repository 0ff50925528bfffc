"""The report's sections on suites, with their plots: trade-off, attacks, abilities."""

from __future__ import annotations

from collections.abc import Sequence

from ...evaluation.change import Change, bleed
from ...evaluation.change import changes as changes_between
from ...evaluation.measure import HARM, TARGETS
from ...evaluation.suites.evaluation import ModelOutcomes, SuiteEvaluation
from ...evaluation.suites.outcome import SuiteOutcome
from ...evaluation.wording import change_cells, moved_words, span_text
from ...stats.intervals import Estimate
from ..drawing import (
    Place,
    draw_arrow,
    draw_plane,
    draw_point,
    forest_plot,
    forest_rows,
    grid_plot,
    new_figure,
    plot_style,
    to_svg,
)
from ..html import figure, paragraph, section, table
from .artefacts import SUITES, Artefacts

_HEAD = ("suite: measure", "n", "before", "after", "change [95%]", "p")


def suites_sections(run: Artefacts) -> str:
    """Sections on what `anlage evaluate RUN --suites ...` measured; "" where nothing was."""
    found = run.suites
    if found is None:
        if SUITES in run.missing:
            return section("Suites", paragraph(run.missing[SUITES], "missing"))
        return ""
    stale = _stale(run, found)
    if stale:
        return section("Suites", paragraph(stale, "missing"))
    before, after = found.models[0], found.models[-1]
    if len(found.models) == 1:
        return section("Suites", _values(before))
    changes = changes_between(before, after, targets=TARGETS)
    warned = "".join(paragraph(f"Warning: {text}", "labels") for text in found.warnings)
    parts = [
        section("Suites", warned + _suites(found, changes)),
        section("Attacks and settings", _attacks(found)),
        section("Abilities and values", _abilities(changes)),
    ]
    return "".join(parts)


def _stale(run: Artefacts, found: SuiteEvaluation) -> str:
    """Why the suites say nothing about this run, or ""."""
    if run.evaluation is None:
        return ""
    known = {model.fingerprint for model in run.evaluation.models}
    others = [model.name for model in found.models if model.fingerprint not in known]
    if not others:
        return ""
    return (
        f"{SUITES} was measured on other weights than this run's ({', '.join(others)}): "
        f"run `anlage evaluate` with this folder and --suites again."
    )


def _suites(found: SuiteEvaluation, changes: Sequence[Change]) -> str:
    judged = [c for c in changes if _is_judged(c)]
    if not judged:
        return paragraph("No suite of answers was measured.", "missing")
    parts: list[str] = []
    points = {model.name: plane_points(model) for model in found.models}
    if any(points.values()):
        caption = (
            "The trade-off on suites that have a harmful and a harmless half: up is more defended, "
            "right is more over-refusal; an arrow leads from before to after. Wilson 95% intervals."
        )
        alt = "Scatter plot of defended against over-refusal, one arrow per pair of suites"
        parts.append(figure(suite_plane(found.models), caption, alt=alt))
    main = [c for c in judged if c.measure.name in ("defended", "over_refusal", "intrusion")]
    if main:
        caption = (
            "Change of each rate in points with its 95% interval. Blue square: clearly better; "
            "orange diamond: clearly worse; hollow circle: unclear."
        )
        alt = "Forest plot of changes per suite"
        drawn = forest_plot(forest_rows(main), "change, percentage points")
        parts.append(figure(drawn, caption, alt=alt))
    parts.append(table(_HEAD, [change_cells(change) for change in judged]))
    moved = bleed(changes)
    if moved:
        said = f"Moved though the training did not aim at it: {moved_words(moved)}."
        parts.append(paragraph(said))
    elif rest := sum(not change.aimed for change in changes):
        parts.append(paragraph(f"Of {rest} measures the training did not aim at, none moved."))
    return "".join(parts)


def _attacks(found: SuiteEvaluation) -> str:
    rows = attacks_of(found.models)
    if len(rows) < 2:
        return paragraph(
            "Not measured. `anlage evaluate RUN --suites jbb-harmful,jbb-harmful+email,...` asks "
            "the same requests in other settings, and `--profile attacks` inside attack templates.",
            "missing",
        )
    caption = (
        "Share of harmful requests defended, by kind of attack; after the stroke the share of "
        "incoherent answers, which are no success. Darker is more defended. Intervals stand in "
        "the table of suites."
    )
    alt = "Heat map of defended rates, one row per attack or setting and one column per model"
    return figure(attack_plot(found.models, rows), caption, alt=alt)


def _abilities(changes: Sequence[Change]) -> str:
    scored = [c for c in changes if not _is_judged(c)]
    if not scored:
        return paragraph(
            "Not measured. `anlage evaluate RUN --profile capability --suite-dir DIR` scores "
            "LAMBADA, HellaSwag, PIQA, WinoGrande and MMLU.",
            "missing",
        )
    note = (
        "Scored by log-likelihood, both orders of options averaged. Points for accuracy, matching "
        "and order bias; p is Holm-adjusted over all suites."
    )
    return table(_HEAD, [change_cells(change) for change in scored]) + paragraph(note, "note")


def _values(model: ModelOutcomes) -> str:
    rows = []
    for outcome in model.suites:
        for measure in outcome.measures():
            estimate = outcome.estimate(measure)
            n = estimate.n if estimate else 0
            rows.append((measure.full_label, n, span_text(measure, estimate)))
    return table(("suite: measure", "n", model.name), rows)


def _is_judged(change: Change) -> bool:
    return change.measure.role != ""


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
