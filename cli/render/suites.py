"""An evaluation of suites in the terminal: values side by side, then changes, then gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...errors import ConfigurationError
from ...evaluation.change import Change, bleed, unpaired
from ...evaluation.change import changes as changes_between
from ...evaluation.measure import HARM, Measure
from ...evaluation.result import Evaluation
from ...evaluation.suites.evaluation import ModelOutcomes, SuiteEvaluation
from ...evaluation.suites.gates import GateResult
from ...evaluation.suites.outcome import SuiteOutcome
from ...evaluation.wording import SUITES_CAPTION, judge_text, moved_words, span_text
from ...inspection.models import Compared
from ...stats.power import smallest_visible_change
from .evaluation import change_table, evaluation_report

FEW = 10
"""Prompts below which a failure mode gets no line of its own in the terminal."""


def suites_report(
    evaluation: SuiteEvaluation, *, baseline: str | None, targets: Sequence[str]
) -> RenderableType:
    """Everything to print about an evaluation.

    Args:
        evaluation: What was measured.
        baseline: Model the others are compared with; None compares nothing.
        targets: Failure modes and suites the training aimed at.
    """
    parts: list[RenderableType] = [
        Text(f"Warning: {warning}", style="bold red") for warning in evaluation.warnings
    ]
    parts.append(value_table(evaluation))
    parts.append(Text(_judge_line(evaluation), style="dim"))
    for model in evaluation.models:
        parts += [Text(f"{model.name}: {note}") for note in model.notes]
        failed = sum(outcome.errors for outcome in model.suites)
        if failed:
            parts.append(
                Text(f"{model.name}: {failed} answers without a verdict are in no rate.", "red")
            )
    if baseline is not None:
        base = evaluation.model(baseline)
        for model in evaluation.models:
            if model.name != baseline:
                parts += [Text(), comparison_report(base, model, targets)]
    return Group(*parts)


def value_table(evaluation: SuiteEvaluation) -> Table:
    """One row per suite and measure, one column per model."""
    table = Table(title_justify="left")
    for column in ("suite", "measure", "n"):
        table.add_column(column, justify="right" if column == "n" else "left", overflow="fold")
    for model in evaluation.models:
        table.add_column(Text(model.name), justify="right")
    names = dict.fromkeys(outcome.suite for model in evaluation.models for outcome in model.suites)
    for name in names:
        first = next(o for m in evaluation.models if (o := m.suite(name)) is not None)
        shown, hidden = _told(first)
        for row, measure in enumerate(shown):
            found = [model.estimate(measure) for model in evaluation.models]
            n = next((str(estimate.n) for estimate in found if estimate), "0")
            cells = [span_text(measure, estimate) for estimate in found]
            head = name if row == 0 else ""
            table.add_row(*(Text(cell) for cell in (head, measure.label, n, *cells)))
        if hidden:
            words = f"{hidden} failure modes with fewer than {FEW} prompts a role: in --json"
            table.add_row(Text("" if shown else name), Text(words, style="dim"))
        table.add_section()
    return table


def comparison_report(
    before: ModelOutcomes, after: ModelOutcomes, targets: Sequence[str]
) -> RenderableType:
    """The changes of one model against another, and what bled."""
    changes = changes_between(before, after, targets=targets)
    table = change_table(f"{before.name} → {after.name}", changes, suites=True)
    parts: list[RenderableType] = [table, Text(SUITES_CAPTION, style="dim")]
    moved = bleed(changes)
    aims = ", ".join(target.replace("_", " ") for target in targets) or "nothing"
    if moved:
        said = f"Moved though the training aimed at {aims}: {moved_words(moved)}."
        parts.append(Text(said, "yellow"))
    else:
        others = sum(not change.aimed for change in changes)
        parts.append(Text(f"Beside {aims}, none of {others} measures clearly moved."))
    parts += [Text(f"Not compared: {reason}") for reason in unpaired(before, after)]
    seen = visible_text(changes)
    if seen:
        parts.append(Text(seen, style="dim"))
    return Group(*parts)


def gates_table(results: Sequence[GateResult]) -> Table:
    """One row per gate and model."""
    table = Table(title="gates", title_justify="left")
    for column in ("model", "suite", "metric", "found", ""):
        table.add_column(column, overflow="fold")
    for result in results:
        cells = (result.model, result.gate.suite, result.gate.metric, result.text)
        verdict = Text("kept", "green") if result.passed else Text("BROKEN", "bold red")
        table.add_row(*(Text(cell) for cell in cells), verdict)
    return table


def visible_text(changes: Sequence[Change]) -> str:
    """What the first compared rate could have shown at all."""
    for change in changes:
        if change.measure.is_rate:
            n, before = change.difference.n, change.before.value
            seen = smallest_visible_change(n, before, correlation=0.5)
            return f"{change.measure.suite}: {seen.sentence}"
    return ""


def _told(outcome: SuiteOutcome) -> tuple[list[Measure], int]:
    """Measures worth a line, and how many failure modes have too few prompts for one."""
    measures = outcome.measures()
    sizes = {m: len(outcome.units(m)) for m in measures}
    if len({measure.failure_mode for measure in measures}) == 1:
        return measures, 0
    shown = [m for m in measures if m.failure_mode == HARM or sizes[m] >= FEW]
    hidden = {m.failure_mode for m in measures} - {m.failure_mode for m in shown}
    return shown, len(hidden)


def _judge_line(evaluation: SuiteEvaluation) -> str:
    if evaluation.judge.n == 0:
        return f"Judge: {evaluation.judge_name}, its errors not measured."
    return f"Judge: {evaluation.judge_name}; {judge_text(evaluation.judge)}"


def compared_report(before: Compared, after: Compared, targets: tuple[str, ...]) -> RenderableType:
    """The differences between two sides, on the units both have.

    Raises:
        ConfigurationError: One side measured suites and the other a run's own prompts.
    """
    if isinstance(before, ModelOutcomes) and isinstance(after, ModelOutcomes):
        old, new = before.name, after.name
        if old == new:
            before, after = replace(before, name=f"{old} (A)"), replace(after, name=f"{new} (B)")
        return comparison_report(before, after, targets)
    if isinstance(before, Evaluation) and isinstance(after, Evaluation):
        first = replace(before.models[0], name="A")
        second = replace(after.models[0], name="B")
        both = replace(after, models=(first, second), baseline="A")
        parts: list[RenderableType] = [evaluation_report(both)]
        differing = [
            f"{name} {old!r} and {new!r}"
            for name, old, new in (
                ("max_tokens", before.max_tokens, after.max_tokens),
                ("system prompt", before.system, after.system),
                ("splits", before.splits, after.splits),
            )
            if old != new
        ]
        if differing:
            said = f"The two were not asked alike: {'; '.join(differing)}."
            parts.insert(0, Text(f"{said} That may be all that moved.", "red"))
        if before.judge != after.judge:
            parts.append(Text("The two were judged by different judges: measure one again.", "red"))
        return Group(*parts)
    message = "one side measured suites, the other a run's own prompts"
    fix = "measure both alike: anlage evaluate A B --suites ..."
    raise ConfigurationError.one("E011", "compare", message, fix)
