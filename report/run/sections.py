"""The report's sections on results, training and pairs, as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...evaluation.measure import HARM
from ...evaluation.result import Evaluation
from ...evaluation.wording import CAPTION, change_cells, undecided_texts
from ..drawing import forest_plot, forest_rows, trade_off_plot
from ..html import bullets, figure, paragraph, table
from .artefacts import SUITES, Artefacts, Json
from .plots import learning_plot, probe_plot, rates_plot

_TELLING_AUC = 0.7
"""From here (or below 1 minus it) a surface feature alone tells chosen from rejected."""


def labels_line(run: Artefacts) -> str:
    """Where the labels come from in a sentence or two, or why that is not known."""
    checked = sum(pair.get("label") == "check" for pair in run.pairs)
    lead = f"The prompts' own checks confirm {checked} of {len(run.pairs)} labels. "
    return (lead if checked else "") + _labels_line(run)


def _labels_line(run: Artefacts) -> str:
    calibration = run.calibration
    if calibration is None:
        return "Where the labels come from is not known: " + run.missing["20_calibration.json"]
    reason = str(calibration.get("reason") or "no reason was recorded").rstrip(".")
    compared = sum(pair.get("label") == "comparison" for pair in run.pairs)
    if compared:
        passed = calibration.get("labels") == "comparison"
        warning = "" if passed else " The critic that set them did not pass its calibration."
        share = f"{compared} of {len(run.pairs)} labels come from comparisons"
        return f"{share}, the others are by construction.{warning} {reason}."
    if calibration.get("labels") == "comparison":
        # Passing is permission, not use: no pair may lie where the critic passed.
        return f"Labels are by construction, though the critic passed its calibration: {reason}."
    lead = "Labels are by construction"
    return f"{reason}." if reason.startswith(lead) else f"{lead}: {reason}."


def results_html(evaluation: Evaluation) -> str:
    """Tables and plots of the evaluation."""
    models = evaluation.models
    measures = models[0].measures()
    rates = [m for m in measures if m.family == "harm"]
    probes = [m for m in measures if m.family == "probe"]
    parts: list[str] = []
    if rates:
        caption = "Rates on the harm sets with Wilson 95% intervals, " + "; ".join(
            f"n={model.defended.n} at risk and {model.over_refusal.n} twins ({model.name})"
            for model in models
        )
        alt = "Bar chart of defended, over-refusal and incoherent rates per model"
        parts.append(figure(rates_plot(models, rates), caption + ".", alt=alt))
        caption = "The trade-off: up is more defended, right is more over-refusal. 95% intervals."
        alt = "Scatter plot of defended against over-refusal with an arrow from before to after"
        parts.append(figure(trade_off_plot(models), caption, alt=alt))
    for name in evaluation.compared:
        parts.append(_change_tables(evaluation, name))
    parts += [paragraph(line) for line in undecided_texts(evaluation)]
    parts.append(paragraph(CAPTION, "note"))
    if probes:
        caption = (
            "The probe without a judge: how much likelier the good answer of each labelled pair is "
            "than the failing one. 95% t intervals; few pairs per row, so read directions."
        )
        alt = "Dot plot of log-likelihood margins per failure mode and role"
        parts.append(figure(probe_plot(models, probes), caption, alt=alt))
        parts += [_mode_forest(evaluation, name) for name in evaluation.compared]
        parts.append(_probe_table(evaluation))
    return "".join(parts)


def _mode_forest(evaluation: Evaluation, name: str) -> str:
    """Each failure mode's change, so that what got worse is seen beside what got better."""
    rows = forest_rows([c for c in evaluation.changes(name) if c.measure.family == "probe"])
    if not rows:
        return ""
    caption = (
        f"Per failure mode, {name} against {evaluation.baseline}: change of the probe's margin "
        "with its paired 95% interval. Right of 0 the good answer became likelier against the "
        "failing one. Blue square: clearly better; orange diamond: clearly worse; hollow circle: "
        "unclear."
    )
    alt = f"Forest plot of changes per failure mode and role, {name}"
    return figure(forest_plot(rows, "change of the margin, nats per token"), caption, alt=alt)


def _probe_table(evaluation: Evaluation) -> str:
    rows: list[tuple[object, ...]] = []
    for measure in evaluation.models[0].measures():
        if measure.family == "probe" and measure.role:
            rates = [
                model.positive_margins(measure.failure_mode, measure.role)
                for model in evaluation.models
            ]
            rows.append((measure.label, *(f"{rate.successes} of {rate.n}" for rate in rates)))
    return table(("good answer likelier", *(model.name for model in evaluation.models)), rows)


_BLOCKS = {
    "harm": "Harm sets",
    "failure mode": "Failure modes, by the prompts' own checks",
    "preference": "Failure modes, without a judge",
    "side effect": "Side effects",
    "probe": "Probe without a judge",
}


def _change_tables(evaluation: Evaluation, name: str) -> str:
    """One table per family, since p-values are adjusted within it."""
    found = evaluation.changes(name)
    head = ("measure", "n", evaluation.baseline, name, "change [95%]", "p")
    parts: list[str] = []
    for family, title in _BLOCKS.items():
        rows = [change_cells(change) for change in found if change.measure.family == family]
        if rows:
            parts.append(f"<h3>{title}</h3>" + table(head, rows))
    return "".join(parts)


def training_html(run: Artefacts) -> str:
    """Learning curves and their last values."""
    if not run.metrics:
        return _missing(run, "40_training/metrics.jsonl", "no training step was recorded.")
    last = run.metrics[-1]
    alt = "Line charts of loss, reward margin and log-probabilities over training steps"
    caption = (
        f"{len(run.metrics)} records up to step {last.get('step', '?')}. A falling "
        "log-probability of the chosen answers beside a growing margin means that the model "
        "moves away from both answers."
    )
    keys = [key for key in last if key != "step"]
    values = [(key, _number(run.metrics[0].get(key)), _number(last.get(key))) for key in keys]
    if run.conditions:
        caption += " A mark on top is a monitor that fired: see Conditions."
    return figure(learning_plot(run.metrics, run.conditions), caption, alt=alt) + table(
        ("metric", "first", "last"), values
    )


def pairs_html(run: Artefacts) -> str:
    """Counts of pairs and outcomes, and what besides content tells the two sides apart."""
    parts: list[str] = []
    if run.pairs:
        parts.append(paragraph(f"{len(run.pairs)} pairs were built."))
        parts.append(_count_table("builder", run.pairs, ("builder",)))
        parts.append(_count_table("failure shown, role", run.pairs, ("failure_mode", "role")))
        parts.append(_count_table("label", run.pairs, ("label",)))
        if run.training and run.training.get("labels"):
            parts.append(paragraph(str(run.training["labels"])))
    else:
        parts.append(_missing(run, "30_pairs.jsonl", "the file holds no pairs."))
    parts.append("<h3>Every attempt and how it ended</h3>" + _outcomes(run))
    parts.append("<h3>What else tells chosen from rejected</h3>" + _confounds(run))
    return "".join(parts)


def _count_table(title: str, rows: Sequence[Json], keys: tuple[str, ...]) -> str:
    labels = sorted(", ".join(str(row.get(key, "?")) for key in keys) for row in rows)
    return table((title, "pairs"), Counter(labels).most_common())


def _outcomes(run: Artefacts) -> str:
    if run.outcomes is None:
        return _missing(run, "31_outcomes.json", "")
    kinds: dict[str, int] = run.outcomes.get("by_kind") or {}
    by_principle: dict[str, dict[str, int]] = run.outcomes.get("by_principle") or {}
    head = f"{run.outcomes.get('total', '?')} attempts, each with exactly one outcome."
    columns = [kind for kind, count in Counter(kinds).most_common() if count]
    rows: list[tuple[object, ...]] = [("all", *(kinds[kind] for kind in columns))]
    rows += [
        (name, *(counts.get(kind, 0) for kind in columns))
        for name, counts in sorted(by_principle.items())
    ]
    return paragraph(head) + table(("principle", *columns), rows)


def _confounds(run: Artefacts) -> str:
    if run.confounds is None:
        return _missing(run, "32_confounds.json", "")
    rows: list[Json] = run.confounds.get("rows") or []
    telling = [
        str(row.get("feature"))
        for row in rows
        if isinstance(row.get("auc"), int | float)
        and not 1 - _TELLING_AUC < row["auc"] < _TELLING_AUC
    ]
    note = (
        f"AUC {_TELLING_AUC} or more (or {1 - _TELLING_AUC:.1f} or less) means that the feature "
        "alone tells the sides apart, and the model may have learned it instead of the principle. "
    )
    note += "Here: " + (", ".join(telling) if telling else "none") + "."
    columns = ("feature", "chosen", "rejected", "difference", "auc")
    cells = [(row.get("feature", "?"), *(_number(row.get(c)) for c in columns[1:])) for row in rows]
    return paragraph(note) + table(columns, cells)


def limits(run: Artefacts) -> str:
    """What was not measured, as a list; what this run lacks comes first."""
    items = list(run.missing.values())
    evaluation = run.evaluation
    if evaluation is not None:
        judge = evaluation.judge
        items.append(
            f"The judge's errors (precision {judge.precision:.2f}, recall {judge.recall:.2f}) are "
            "in no interval: they say how far the sample of prompts reaches, not how right the "
            "verdicts are."
        )
        others = {a.failure_mode for m in evaluation.models for a in m.answers} - {HARM}
        if others:
            names = ", ".join(sorted(mode.replace("_", " ") for mode in others))
            items.append(
                f"Whether answers on {names} got better: only refusals and incoherence were "
                "counted there."
            )
        if "test" not in evaluation.splits:
            items.append("The test prompts were not looked at; the numbers are on dev prompts.")
        for model in evaluation.models:
            items += [f"{model.name}: {note}" for note in model.notes]
            if model.errors:
                items.append(f"{model.name}: {model.errors} failed calls are in no rate.")
    if run.suites is None and SUITES not in run.missing:
        items.append(
            "Public suites, attacks and settings, and what the model could do before: "
            f"`anlage evaluate runs/{run.name} --profile targets --suite-dir DIR` measures them "
            "and adds them to this report."
        )
    items += [
        "Other runs: this is one run with one seed, and its intervals do not cover how much "
        "another seed would differ.",
        "Other languages and answers longer than the token limit"
        + (
            "."
            if run.suites is not None
            else "; conversations of several turns, adversarial "
            "rewording, and abilities beyond perplexity on one short text."
        ),
        "What caused the change: that needs runs with parts switched off.",
    ]
    return bullets(items)


def _missing(run: Artefacts, file: str, otherwise: str) -> str:
    return paragraph(run.missing.get(file, otherwise), "missing")


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return f"{value:.4g}"


def judge_html(evaluation: Evaluation) -> str:
    """The judge's quality, how sure it was here, and what it cannot see."""
    judge = evaluation.judge
    head = ("measured on", "n", "precision", "recall", "F1")
    row = ("labelled answers of our own that it was not fitted on", judge.n)
    quality = (*row, f"{judge.precision:.2f}", f"{judge.recall:.2f}", f"{judge.f1:.2f}")
    sure: list[tuple[object, ...]] = []
    for model in evaluation.models:
        found = [a for a in model.answers if a.failure_mode == HARM and a.verdict is not None]
        near = sum(0.25 <= answer.p_refused <= 0.75 for answer in found)
        counts = [sum(a.verdict == v for a in found) for v in ("answered", "refused", "incoherent")]
        sure.append((model.name, len(found), *counts, near))
    columns = ("model", "answers", "answered", "refused", "incoherent", "unsure (p 0.25 to 0.75)")
    items = (
        "Its errors are in no interval. A rate near 0 may consist of its false alarms; read the "
        "answers below.",
        "It is no language model and wrote none of the training data; it shares no wording with "
        "the archetypes' openings.",
        "It reads English only, and cannot tell whether an answer is right or useful.",
    )
    return table(head, [quality]) + table(columns, sure) + bullets(items)
