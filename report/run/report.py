"""Writes the report of one run: a single HTML file without scripts or network access."""

from __future__ import annotations

from pathlib import Path
from string import Template

from ...errors import RunDirectoryError
from ...evaluation.wording import verdict_sentence
from ...files.lines import flat
from ...files.write import write_atomically
from ..html import paragraph, section, table, text
from .answers import answers_html
from .artefacts import Artefacts, load_artefacts
from .conditions import conditions_sections
from .sections import judge_html, labels_line, limits, pairs_html, results_html, training_html
from .suites import suites_sections

REPORT = "60_report.html"
_TEMPLATE = Path(__file__).with_name("report.html")


def write_report(run_dir: Path) -> Path:
    """Write `60_report.html` from the artefacts of a run directory.

    Every text from outside is escaped. A missing or damaged artefact is named in
    its section and in the list of what was not measured; it never stops the
    report. The same artefacts give the same bytes.

    Args:
        run_dir: The run directory.

    Returns:
        Path of the report.

    Raises:
        RunDirectoryError: There is no such directory, or it cannot be written.
    """
    if not run_dir.is_dir():
        raise RunDirectoryError(
            f"no run directory at {run_dir}: give the folder that `anlage run` made, "
            "e.g. runs/quickstart"
        )
    path = run_dir / REPORT
    write_atomically(path, render_report(load_artefacts(run_dir)))
    return path


def style_sheet() -> str:
    """The style sheet of the report, for other pages that show the same things."""
    return _TEMPLATE.read_text(encoding="utf-8").partition("<style>")[2].partition("</style>")[0]


def render_report(run: Artefacts) -> str:
    """The whole page as HTML, verdict first."""
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        title=text(f"{run.name}: before and after"),
        name=text(run.name),
        verdict=_verdict(run),
        labels=text(labels_line(run)),
        sections="".join(_sections(run)),
    )


def _verdict(run: Artefacts) -> str:
    if run.evaluation is None:
        return text("No verdict: " + run.missing["50_evaluation.json"])
    names = run.evaluation.compared or (None,)
    return "<br>".join(text(verdict_sentence(run.evaluation, name)) for name in names)


def _sections(run: Artefacts) -> list[str]:
    evaluation = run.evaluation
    no_evaluation = paragraph(run.missing.get("50_evaluation.json", ""), "missing")
    answers = no_evaluation
    if evaluation is not None:
        answers = paragraph("There is no second model to compare answers with.", "missing")
        if evaluation.baseline is not None and evaluation.compared:
            after = evaluation.model(evaluation.compared[-1])
            answers = answers_html(evaluation.model(evaluation.baseline), after)
    return [
        section("Before and after", results_html(evaluation) if evaluation else no_evaluation),
        suites_sections(run),
        section("The judge", judge_html(evaluation) if evaluation else no_evaluation),
        section("What was not measured", limits(run)),
        section("Answers side by side", answers),
        conditions_sections(run),
        section("Training", training_html(run)),
        section("Pairs", pairs_html(run)),
        section("How to repeat it", _repeat_html(run)),
    ]


def _repeat_html(run: Artefacts) -> str:
    """The command, the resolved config, the models' fingerprints, versions and hashes."""
    parts = [
        "<p>Save the config below as <code>config.yaml</code> and run "
        "<code>anlage run config.yaml</code>. On the same machine with the same number of "
        "threads the pairs come out byte for byte the same.</p>"
    ]
    if run.config is None:
        parts.append(paragraph(run.missing["config.yaml"], "missing"))
    else:
        parts.append(f"<pre>{text(run.config)}</pre>")
    if run.evaluation is not None:
        rows = [(model.name, model.fingerprint) for model in run.evaluation.models]
        parts.append("<h3>Models</h3>" + table(("model", "fingerprint"), rows, "hash"))
    for title, file, data in (
        ("Environment", "environment.json", run.environment),
        ("Stages and hashes", "manifest.json", run.manifest),
    ):
        parts.append(f"<h3>{title}</h3>")
        if data is None:
            parts.append(paragraph(run.missing[file], "missing"))
        else:
            parts.append(table(("field", "value"), _named(data), "hash"))
    return "".join(parts)


def _named(data: object) -> list[tuple[str, str]]:
    """Nested JSON as dotted names and values."""
    return [
        (name, "" if value is None else str(value))
        for name, value in flat(data, lists=True).items()
    ]
