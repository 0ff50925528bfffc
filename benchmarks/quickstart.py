"""Time and memory of the quickstart, stage by stage, from an empty call store.

    python benchmarks/quickstart.py

Runs `anlage run` on a copy of examples/quickstart.yaml in a fresh folder, then once more. The
embedded model must be unpacked already (any earlier run does that).
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "examples" / "quickstart.yaml"
BUDGET_S = 720
BUDGET_GB = 6.0
AGAIN_S = 20


def timed_run(config: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "anlage.cli", "run", str(config)], check=True)
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "quickstart.yaml"
        config.write_text(CONFIG.read_text() + f"runs: {folder}/runs\n")
        first, again = timed_run(config), timed_run(config)
        run = Path(folder) / "runs" / "quickstart"
        stages = json.loads((run / "manifest.json").read_text())["stages"]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    print(f"\n{datetime.date.today()}, {platform.processor() or platform.machine()}, ", end="")
    print(f"{os.cpu_count()} cores\n")
    print("| what | measured | budget |\n|---|---|---|")
    for name, record in stages.items():
        limit = "60 s" if name == "calibration" else ""
        print(f"| {name} | {record['seconds']:.0f} s, {record['calls']} model calls | {limit} |")
    print(f"| whole run | {first:.0f} s | {BUDGET_S} s |")
    print(f"| peak memory | {peak:.1f} GB | {BUDGET_GB:.0f} GB |")
    print(f"| second run | {again:.1f} s | {AGAIN_S} s |")


if __name__ == "__main__":
    main()
