"""Measures how fast the studio answers, against what was promised.

python benchmarks/studio.py [--pairs 50000] [--answers 2000]

Prints a Markdown table. A folder with a run is made in a temporary place; no model is asked.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the folder is made by the tests' helpers

from anlage.archetypes.loader import LIBRARY  # noqa: E402
from anlage.preferences.dataset import Pairs  # noqa: E402
from anlage.studio.results import export  # noqa: E402

from tests.helpers.evaluation import make_prompts, two_models  # noqa: E402
from tests.helpers.studio import a_pair, client, make_folder  # noqa: E402


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=50_000)
    parser.add_argument("--answers", type=int, default=2_000)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="studio-speed-"))
    try:
        rows = measure(folder, asked.pairs, asked.answers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("| what | measured, s | promised, s |\n|---|---:|---:|")
    for what, took, limit in rows:
        print(f"| {what} | {took:.3f} | {limit or '–'} |")


def start(folder: Path) -> float:
    """From the command to the address, which answers from then on."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "anlage.cli", "studio", str(folder), "--port", "0"]
    with subprocess.Popen([*command, "--no-open"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        took = time.perf_counter() - began
        process.terminate()
    return took


def measure(folder: Path, pairs: int, answers: int) -> list[tuple[str, float, float]]:
    """(what, seconds, most that was promised; 0: nothing was)."""
    run = make_folder(folder)
    Pairs(
        replace(a_pair(n % 30), prompt_id=f"p-{n}", chosen=f"{a_pair(n % 30).chosen} {n}")
        for n in range(pairs)
    ).save(run.pairs)
    rows = [("start: the command until its address", min(start(folder) for _ in range(3)), 1.5)]
    browser = client(folder)
    rows.append(("first page", seconds(lambda: browser.get("/")), 0.3))
    text = (LIBRARY / "guardian.yaml").read_text("utf-8")
    at = "/lint/archetypes/guardian.yaml"
    browser.post(at, data={"text": text})  # the library's words are read once
    keystroke = min(seconds(lambda: browser.post(at, data={"text": text})) for _ in range(5))
    rows.append(("lint of a file after a keystroke", keystroke, 0.15))
    table = "/runs/one/pairs"
    rows.append((f"index of {pairs:,} pairs, once", seconds(lambda: browser.get(table)), 0))
    for what, query in (("page", "?page=900"), ("filter by words", "?q=house+12")):
        took = max(seconds(lambda q=query: browser.get(table + q)) for _ in range(3))  # type: ignore[misc]
        rows.append((f"{what} of {pairs:,} pairs", took, 0.5))
    run.evaluation.write_text(two_models(make_prompts(answers // 4)).to_json(), "utf-8")
    count = sum(len(m["answers"]) for m in json.loads(run.evaluation.read_text("utf-8"))["models"])
    rows.append((f"export of {count:,} answers", seconds(lambda: export(run, folder / "out")), 10))
    return rows


if __name__ == "__main__":
    main()
