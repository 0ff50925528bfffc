"""Order and forgetting: what each layer did to each failure mode, averaged over seeds."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from ...report.html import figure
from .plots import matrix_plot

if TYPE_CHECKING:
    from ..result import StudyResult

_FILE = "40_training/forgetting.json"
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
        rows = json.loads((run / _FILE).read_text("utf-8"))["rows"]
        columns = sorted(rows[0]["modes"])
        means = [[float(row["modes"][mode]["mean"]) for mode in columns] for row in rows]
        labels = [str(row["label"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    changed = [[v - means[0][x] for x, v in enumerate(line)] for line in means[1:]]
    return (labels[1:], columns, changed) if changed else None
