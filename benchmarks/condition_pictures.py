"""The pictures of docs/conditions.md, drawn from runs as the report draws them.

python benchmarks/condition_pictures.py runs/layered-small runs/layered-harmful
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from anlage.report.run.conditions import curves_plot, heat_map

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for name in sys.argv[1:]:
        folder = Path(name) / "40_training"
        matrix = json.loads((folder / "forgetting.json").read_text())
        modes = sorted({mode for row in matrix["rows"] for mode in row["modes"]})
        drawn = {
            "matrix": heat_map(matrix["rows"], modes),
            "curves": curves_plot(
                rows(folder / "metrics.jsonl"),
                rows(folder / "metrics_undone.jsonl"),
                rows(folder / "conditions.jsonl"),
                matrix["offsets"],
            ),
        }
        for kind, svg in drawn.items():
            (PICTURES / f"{Path(name).name}-{kind}.svg").write_bytes(svg)


if __name__ == "__main__":
    main()
