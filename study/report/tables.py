"""The tables and lists of a study's report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import yaml

from ...evaluation.wording import p_text
from ...pipeline.resolved import Resolved
from ...report.html import bullets, paragraph, table, text
from ..comparison import Comparison, HarmCheck
from ..outcome import StudyMeasure
from ..queues.event_log import failures
from ..wording import amount, ends, harm_sentence, sentence

if TYPE_CHECKING:
    from ..result import StudyResult


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """Every comparison with its intervals, then the same in sentences."""
    rows = []
    for c in comparisons:
        best, fixed = c.best, c.fixed
        rows.append(
            (
                c.arm,
                len(c.seeds),
                amount(best.value, c.outcome.what, sign=True) if best else "-",
                ends(best.interval, c.outcome.what) if best else "-",
                ends(fixed.difference.interval, c.outcome.what) if fixed else "-",
                p_text(c.p_holm),
                c.verdict,
            )
        )
    head = ("arm", "seeds", "difference", "95%", "95%, same prompts", "p, Holm", "verdict")
    return table(head, rows) + bullets(sentence(c) for c in comparisons)


def harm_list(checks: Sequence[HarmCheck]) -> str:
    """The no-harm checks in sentences."""
    return bullets(harm_sentence(check) for check in checks)


def arms_table(study: StudyResult) -> str:
    """What each arm changes, and what it measured on average."""
    outcomes = [
        study.design.spec.outcome or StudyMeasure(measure="defended"),
        StudyMeasure(measure="over_refusal"),
        StudyMeasure(measure="incoherent"),
        StudyMeasure(measure="perplexity"),
    ]
    outcomes = list(dict.fromkeys(outcomes))
    rows = []
    for arm in study.design.arms:
        cells = []
        for outcome in outcomes:
            means = study.results.means(outcome, arm.name)
            cells.append(amount(fmean(means.values()), outcome.what) if means else "-")
        changes = ", ".join(f"{path} = {_shown(value)}" for path, value in arm.overrides.items())
        rows.append((arm.name, *cells, arm.note or changes or "nothing"))
    named = [outcome.what for outcome in outcomes]
    head = ("arm", *(f"{m.label}{' %' if m.in_points else ''}" for m in named), "what it is")
    return table(head, rows, "words")


def _shown(value: object) -> str:
    shown = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    shown = shown.removesuffix("...").strip()
    return shown if len(shown) < 160 else f"{shown[:157]}..."


def cost_table(study: StudyResult) -> str:
    """Runs, pairs, model calls and time per arm; what was shared costs nothing here."""
    rows: list[tuple[object, ...]] = []
    for arm in study.design.arms:
        runs = [r for r in study.results.runs if r.run.arm == arm.name]
        rows.append(
            (
                arm.name,
                len(runs),
                max((r.pairs for r in runs), default=0),
                sum(r.state.calls for r in runs),
                f"{sum(r.state.seconds for r in runs) / 60:.1f}",
                sum(r.state.adopted for r in runs),
            )
        )
    calls = sum(r.state.calls for r in study.results.runs)
    minutes = sum(r.state.seconds for r in study.results.runs) / 60
    rows.append(("all", len(study.results.runs), "", calls, f"{minutes:.1f}", ""))
    head = ("arm", "runs", "pairs trained on", "model calls", "minutes", "stages taken over")
    return table(head, rows)


def unfinished_html(study: StudyResult) -> str:
    """Runs that failed, were stopped or are corrupt, with the reason; and earlier failures."""
    rows = [
        (r.run.arm, r.run.seed, r.state.state, r.state.reason or "-")
        for r in study.results.unfinished
    ]
    parts = [
        table(("arm", "seed", "state", "reason"), rows, "words")
        if rows
        else paragraph("All runs are finished and whole.")
    ]
    names = {run.name for run in study.design.runs}
    earlier = [(at, run, why) for at, run, why in failures(study.folder) if run in names]
    if earlier:
        lines = [f"{at}: {run}: {why}" for at, run, why in earlier]
        parts.append("<h3>Failures on the way</h3>" + bullets(lines))
    return "".join(parts)


def repeat_html(study: StudyResult) -> str:
    """The command, the study file, the base config and the names of all runs."""
    spec = study.design.spec
    source = Path(study.design.source)
    try:
        written = source.read_text("utf-8")
    except OSError:
        written = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False)
    flag = " --full" if spec.name.endswith("-full") else ""
    base = yaml.safe_dump(dict(study.design.base), sort_keys=False, allow_unicode=True, width=100)
    rows = [
        (run.arm, run.seed, resolved.data_seed, resolved.training_seed, run.name)
        for run in study.design.runs
        for resolved in [Resolved(run.config)]
    ]
    head = ("arm", "seed", "data seed", "training seed", "run")
    return (
        f"<p>Save the file below as <code>study.yaml</code> and run <code>anlage study run "
        f"study.yaml{flag}</code>.</p>"
        f"<pre>{text(written)}</pre><h3>The base config, every default written out</h3>"
        f"<pre>{text(base)}</pre><h3>Runs</h3>{table(head, rows, 'words')}"
    )
