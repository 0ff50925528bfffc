"""The figures of a study's report, with what each layer did to each failure mode."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from ...report.html import figure, paragraph
from ..outcome import StudyMeasure
from ..wording import sentence
from .plots import forest_plot, matrix_plot, plane_plot, seeds_plot

if TYPE_CHECKING:
    from ..result import StudyResult


def _controls(study: StudyResult) -> frozenset[str]:
    return frozenset(arm.name for arm in study.design.arms if arm.is_control)


def forest(study: StudyResult) -> str:
    """Every arm against the reference."""
    measured = [c for c in study.comparisons if c.gaps]
    if not measured:
        return paragraph("No two runs can be compared yet.", "missing")
    alt = " ".join(sentence(c) for c in measured)
    caption = (
        "Small dots: single seeds. Thin line: 95% interval for new seeds and new prompts; thick "
        "line: for new seeds on these prompts. Filled: clear after Holm's correction. Grey "
        "squares: controls."
    )
    return figure(forest_plot(measured, controls=_controls(study)), caption, alt=alt)


def plane(study: StudyResult) -> str:
    """Defended against over-refusal, every run a dot."""
    defended, over = StudyMeasure(measure="defended"), StudyMeasure(measure="over_refusal")
    arms = {}
    for arm in study.design.arms:
        up = study.results.means(defended, arm.name)
        across = study.results.means(over, arm.name)
        points = [(across[seed], up[seed]) for seed in up if seed in across]
        if points:
            arms[arm.name] = points
    if not arms:
        return paragraph(
            "Refusals of harmful prompts and of their twins were not both measured.", "missing"
        )
    svg = plane_plot(arms, against=study.design.spec.against, controls=_controls(study))
    alt = "; ".join(
        f"{arm}: {100 * sum(y for _, y in points) / len(points):.0f}% defended, "
        f"{100 * sum(x for x, _ in points) / len(points):.0f}% over-refused"
        for arm, points in arms.items()
    )
    caption = (
        "Small marks: single runs; large: the arm's mean. Hollow: controls. Dotted: refuses "
        "harmful and harmless alike."
    )
    return figure(svg, caption, alt=alt)


def seeds(study: StudyResult) -> str:
    """The primary outcome of every run."""
    outcome = (
        study.comparisons[0].outcome if study.comparisons else StudyMeasure(measure="defended")
    )
    values = {arm.name: study.results.means(outcome, arm.name) for arm in study.design.arms}
    values = {arm: by_seed for arm, by_seed in values.items() if by_seed}
    if not values:
        return paragraph("No run has been measured yet.", "missing")
    svg = seeds_plot(outcome, values, controls=_controls(study))
    alt = "; ".join(f"{arm}: {len(v)} runs" for arm, v in values.items())
    return figure(svg, "One dot per seed, the line at their mean. Grey: controls.", alt=alt)


_FORGETTING = "40_training/forgetting.json"
Matrix = tuple[list[str], list[str], list[list[float]]]


def matrices(study: StudyResult) -> str:
    """One heat map per arm whose runs were probed between layers or rounds; "" if none."""
    parts = []
    for arm in study.design.arms:
        runs = [r for r in study.results.runs if r.run.arm == arm.name and r.model is not None]
        found = [m for r in runs if (m := read_matrix(_folder(study, r.run.name))) is not None]
        same = [m for m in found if m[:2] == found[0][:2]]
        if not same:
            continue
        rows, columns, _ = same[0]
        cells = [
            [fmean(m[2][y][x] for m in same) for x in range(len(columns))] for y in range(len(rows))
        ]
        svg = matrix_plot(rows, columns, cells, "change of the probe margin, nats per token")
        caption = f"{arm.name}: mean of {len(same)} seeds; each row against the untrained model."
        parts.append(figure(svg, caption, alt=f"{arm.name}: {rows} by {columns}: {cells}"))
    return "".join(parts)


def _folder(study: StudyResult, name: str) -> Path:
    return Path(study.design.spec.runs) / name


def read_matrix(run: Path) -> Matrix | None:
    """Layers by failure modes: the probe margin after each layer minus that before training."""
    try:
        rows = json.loads((run / _FORGETTING).read_text("utf-8"))["rows"]
        columns = sorted(rows[0]["modes"])
        means = [[float(row["modes"][mode]["mean"]) for mode in columns] for row in rows]
        labels = [str(row["label"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    changed = [[v - means[0][x] for x, v in enumerate(line)] for line in means[1:]]
    return (labels[1:], columns, changed) if changed else None
