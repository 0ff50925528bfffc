"""The figures of a study's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...report.html import figure, paragraph
from ..outcome import StudyMeasure
from ..wording import sentence
from .plots import forest_plot, plane_plot, seeds_plot

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
