"""The report's section on the refusal judge: how often it is wrong, and what that does."""

from __future__ import annotations

from ..evaluation.measure import HARM
from ..evaluation.result import Evaluation
from ..report.html import bullets, table


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
