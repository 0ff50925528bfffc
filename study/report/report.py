"""Writes the study's report, one self-contained page: warnings first, then the results."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from ...files.write import write_atomically
from ...inspection.registry import registered, tried
from ...report.html import bullets, paragraph, section, text
from ..outcome import StudyMeasure
from ..wording import headline
from .figures import forest, matrices, plane, seeds
from .methods import cited, methods_paragraph
from .tables import (
    arms_table,
    comparison_table,
    cost_table,
    harm_list,
    repeat_html,
    unfinished_html,
)

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
        *_matrix_sections(study),
        section("Arms", arms_table(study)),
        section("Cost", cost_table(study)),
        section("Deviations from the plan", bullets(deviations) if deviations else kept),
        section("Runs that are not in the figures", unfinished_html(study)),
        section("Methods, ready to paste", _methods(study)),
        section("How to repeat it", repeat_html(study)),
    ]


def _matrix_sections(study: StudyResult) -> list[str]:
    found = matrices(study)
    return [section("Order and forgetting", found)] if found else []


def _methods(study: StudyResult) -> str:
    written = methods_paragraph(study.design, version("anlage"))
    return paragraph(written) + bullets(cited(written))
