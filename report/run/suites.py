"""The report's sections on suites: trade-off, failure modes, attacks, abilities."""

from __future__ import annotations

from collections.abc import Sequence

from ...evaluation.change import Change, bleed
from ...evaluation.change import changes as changes_between
from ...evaluation.measure import TARGETS
from ...evaluation.suites.evaluation import ModelOutcomes, SuiteEvaluation
from ...evaluation.wording import change_cells, moved_words, span_text
from ..forest import forest_plot, forest_rows
from ..html import figure, paragraph, section, table
from .artefacts import SUITES, Artefacts
from .suite_plots import attack_plot, attacks_of, plane_points, suite_plane

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
