"""Writes the study's report, one self-contained page: warnings, figures, tables, methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from string import Template
from typing import TYPE_CHECKING, Any

import yaml

from ...evaluation.wording import p_text
from ...files.write import write_atomically
from ...inspection.registry import registered, tried
from ...pipeline.resolved import Resolved
from ...report.html import bullets, paragraph, section, table, text
from ..comparison import Comparison, HarmCheck
from ..design import Design
from ..queues.local_queue import failures
from ..spec import StudyMeasure
from ..wording import amount, ends, harm_sentence, headline, sentence
from .figures import forest, matrices, plane, seeds

if TYPE_CHECKING:
    from ..result import StudyResult


_TEMPLATE = Path(__file__).with_name("report.html")
_MANY = 10
"""From so many configurations on, the best one is warned about."""


def write_report(study: StudyResult, path: Path) -> Path:
    """Writes the report; the same runs give the same bytes.

    Raises:
        RunDirectoryError: It cannot be written.
    """
    write_atomically(path, render_report(study))
    return path


def render_report(study: StudyResult) -> str:
    """The page as HTML."""
    spec = study.design.spec
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        title=text(f"{spec.name}: {spec.question}"),
        question=text(spec.question),
        verdict=text(headline(study.comparisons)),
        outcome=text(_outcome(study)),
        loud="".join(paragraph(line, "loud") for line in loud_lines(study)),
        sections="".join(_sections(study)),
    )


def loud_lines(study: StudyResult) -> list[str]:
    """What a reader must know first: no control, few seeds, late outcome, many tries."""
    lines = list(study.design.warnings)
    lines += [
        d for d in study.deviations if d.isupper() or "AFTER THE FACT" in d or "after runs" in d
    ]
    missing = study.results.unfinished
    if missing:
        lines.append(
            f"{len(missing)} of {len(study.results.runs)} runs are not in any figure: failed, "
            "stopped, corrupt or not run yet. They are listed below."
        )
    runs = Path(study.design.spec.runs)
    count = tried(registered(runs), str(study.design.base["model"])) if runs.is_dir() else 0
    if count >= _MANY:
        lines.append(
            f"The registry holds {count} trained configurations of this model. Whichever arm "
            "looks best here is the best of many: measure it again with new seeds before "
            "believing its size."
        )
    return lines


def _outcome(study: StudyResult) -> str:
    spec = study.design.spec
    seeds = f"{len(spec.seeds)} seeds, compared with {spec.against}."
    if spec.outcome is None:
        return f"Shown: {StudyMeasure(measure='defended').what.label} (not declared); {seeds}"
    when = f", declared on {study.frozen.when}" if study.frozen else ""
    better = spec.outcome.what.better
    direction = f", {better} is better" if better else ""
    return f"Primary outcome{when}: {spec.outcome.what.label}{direction}; {seeds}"


def _sections(study: StudyResult) -> list[str]:
    deviations = study.deviations
    kept = paragraph("The study was carried out as planned.")
    return [
        section("Differences", forest(study) + comparison_table(study.comparisons)),
        section("The trade-off", plane(study)),
        section("Every run", seeds(study)),
        *([section("What must not get worse", harm_list(study.harm))] if study.harm else []),
        *[
            section(f"Exploratory: {row[0].outcome.what.label}", comparison_table(row))
            for row in study.secondary
            if row
        ],
        *([section("Order and forgetting", layers)] if (layers := matrices(study)) else []),
        section("Arms", arms_table(study)),
        section("Cost", cost_table(study)),
        section("Deviations from the plan", bullets(deviations) if deviations else kept),
        section("Runs that are not in the figures", unfinished_html(study)),
        section("Methods, ready to paste", _methods(study)),
        section("How to repeat it", repeat_html(study)),
    ]


def _methods(study: StudyResult) -> str:
    written = methods_paragraph(study.design, version("anlage"))
    return paragraph(written) + bullets(cited(written))


_BUILDERS = {
    "critique_revise": "critique and revision by a language model (Bai et al. 2022)",
    "contrast": "contrasted instructions (Yang et al. 2023)",
    "best_of_n": "choosing the best and the worst of several answers",
    "teacher": "answers of a stronger model",
    "authored": "answers that people wrote",
}

CITATIONS = (
    "Bai, Y. et al. (2022). Constitutional AI: Harmlessness from AI feedback. arXiv:2212.08073.",
    "Clark, H. H. (1973). The language-as-fixed-effect fallacy. Journal of Verbal Learning and "
    "Verbal Behavior 12(4), 335-359.",
    "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian "
    "Journal of Statistics 6(2), 65-70.",
    "Hu, E. J. et al. (2021). LoRA: Low-rank adaptation of large language models. "
    "arXiv:2106.09685.",
    "Rafailov, R. et al. (2023). Direct preference optimization: Your language model is secretly "
    "a reward model. arXiv:2305.18290.",
    "Satterthwaite, F. E. (1946). An approximate distribution of estimates of variance "
    "components. Biometrics Bulletin 2(6), 110-114.",
    "Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the power "
    "approach for assessing the equivalence of average bioavailability. Journal of "
    "Pharmacokinetics and Biopharmaceutics 15(6), 657-680.",
    "Yang, K. et al. (2023). RLCD: Reinforcement learning from contrast distillation for "
    "language model alignment. arXiv:2307.12950.",
)


def cited(paragraph: str) -> list[str]:
    """The works that a methods paragraph cites, by the first author and the year."""
    found = []
    for work in CITATIONS:
        author, year = work.split(",")[0], work.split("(")[1][:4]
        if author in paragraph and year in paragraph:
            found.append(work)
    return found


def methods_paragraph(design: Design, version: str) -> str:
    """How the study was done, from its config; says nothing about results."""
    spec, base = design.spec, design.base
    return " ".join((_training(base, version), _design(design), _statistics(design, spec.vary)))


def _training(base: Mapping[str, Any], version: str) -> str:
    training, builder = base["training"], str(base["pairs"]["builder"])
    method = "low-rank adapters (Hu et al. 2021)" if training["method"] != "full" else "all weights"
    return (
        f"Preference pairs were built for {base['model']} by {_BUILDERS.get(builder, builder)}, "
        f"and {method} were trained on them with direct preference optimization (Rafailov et al. "
        f"2023), beta = {training['beta']}, learning rate {training['learning_rate']}, "
        f"{training['epochs']} epochs (Anlage {version})."
    )


def _design(design: Design) -> str:
    spec = design.spec
    trained = sum(not run.config.untrained for run in design.runs)
    controls = [arm.name for arm in design.arms if arm.is_control]
    seeds = {
        "both": "Each seed sets both the data and the training",
        "data": "Each seed sets the data; training kept one seed",
        "train": "Each seed sets the training; all runs share one set of data",
    }[spec.vary]
    outcome = spec.outcome.what.label if spec.outcome else "none (exploratory)"
    listed = f" ({', '.join(controls)})" if controls else ""
    return (
        f"The study has {len(design.arms)} arms, {len(controls)} of them controls{listed}, and "
        f"{len(spec.seeds)} seeds: {trained} trained runs. {seeds}. The primary outcome was "
        f"{outcome}; every arm was compared with {spec.against}."
    )


def _statistics(design: Design, vary: str) -> str:
    adjusted = len(design.spec.comparisons or design.arms) - (design.spec.comparisons is None)
    tests = (
        " Measures that must not get worse were tested against margins set beforehand with two "
        "one-sided paired t tests (Schuirmann 1987)."
        if design.spec.no_harm
        else ""
    )
    return (
        "The trained run is the unit. Differences are means over paired seeds; their 95% "
        "intervals and tests treat seeds and prompts as crossed random factors (Clark 1973), "
        "with Satterthwaite's (1946) degrees of freedom, and are never narrower than the t "
        "interval over seeds. p-values were adjusted by Holm's (1979) method over the "
        f"{adjusted} declared comparisons.{tests}"
    )


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
                ends(fixed.interval, c.outcome.what) if fixed else "-",
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
