"""Time of `anlage lint` over everything shipped, and of compiling more and more archetypes.

    python benchmarks/library.py [--repeats N]

Lint runs as a person runs it, in an interpreter of its own; `python -c pass` runs
beside it, turn by turn, so that a busy machine slows both. Compiling is timed in
this process, on folders of renamed copies of the shipped archetypes.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from anlage.archetypes.loader import LIBRARY
from anlage.constitution.compiler import compile_constitution

FACTORS = (1, 2, 4, 8)
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "anlage lint": [sys.executable, "-m", "anlage.cli", "lint"],
}


def run_once(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def copies(folder: Path, factor: int) -> int:
    """Writes `factor` copies of each shipped archetype; returns how many files that makes."""
    shipped = sorted(LIBRARY.glob("*.yaml"))
    ids = "|".join(path.stem for path in shipped)
    for number in range(factor):
        tag = "_" + "abcdefgh"[number]
        for path in shipped:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            for index, line in enumerate(lines):
                if line.startswith(("id: ", "counterweights: ")):
                    lines[index] = re.sub(rf"\b({ids})\b", rf"\g<1>{tag}", line)
            (folder / f"{path.stem}{tag}.yaml").write_text("".join(lines), encoding="utf-8")
    return factor * len(shipped)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="runs of each; the median counts")
    repeats = parser.parse_args().repeats
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            times[name].append(run_once(command))
    print(
        f"| command | wall s, median of {repeats} | least | processor s, least |\n|---|---|---|---|"
    )
    for name, found in times.items():
        walls = sorted(wall for wall, _ in found)
        least = min(used for _, used in found)
        print(f"| `{name}` | {walls[repeats // 2]:.2f} | {walls[0]:.2f} | {least:.2f} |")
    print("\n| archetypes | compile s, least | ms per archetype |\n|---|---|---|")
    for factor in FACTORS:
        with tempfile.TemporaryDirectory() as name:
            count = copies(Path(name), factor)
            spent = []
            for _ in range(max(repeats // 2, 1)):
                start = time.perf_counter()
                compile_constitution(name)
                spent.append(time.perf_counter() - start)
        print(f"| {count} | {min(spent):.2f} | {1000 * min(spent) / count:.1f} |")


if __name__ == "__main__":
    main()
