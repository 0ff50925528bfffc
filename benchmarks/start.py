"""How long a person waits before Anlage says something: help, lint, dry runs, the author's loop.

    python benchmarks/start.py [--n 3]

Prints a table with the median and the slowest of n starts. No model is asked but by the last row.
The refused rows are configs that cannot work; each is refused before any call.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from anlage.pipeline.environment import describe_environment

REFUSED = {
    "no archetype guards": "archetypes: {only: [sage, ally]}",
    "chat model as policy": "model: openai:gpt-4o-mini",
    "critic without provider": "critic: gpt-4o-mini",
    "unknown model": "model: smolm2-135m",
    "no key": "critic: openai:gpt-4o-mini",
    "server down": "critic: openai:tiny@http://127.0.0.1:9/v1",
}
LOOP = ("critique", "sage", "Is it true that we use a tenth of our brain?", "--max-tokens", "16")
AIM = {"help": "", "lint": "", "dry run": "", "refused": "3 s", "loop": "5 s"}


def first_word(words: list[str], folder: Path) -> tuple[float, float]:
    """Seconds until the first character of output, and until the end."""
    command = [sys.executable, "-m", "anlage.cli", *words]
    hidden = {name: value for name, value in os.environ.items() if not name.endswith("API_KEY")}
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=hidden, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as done:
        assert done.stdout is not None
        done.stdout.read(1)
        first = time.perf_counter() - started
        done.stdout.read()
    return first, time.perf_counter() - started


def rows(folder: Path) -> list[tuple[str, str, list[str]]]:
    """(What, aim, words of the command)."""
    good = folder / "good.yaml"
    good.write_text("name: good\narchetypes: {only: [guardian]}\nprompts: {sets: [harm]}\n")
    found = [
        ("`--help`", AIM["help"], ["--help"]),
        ("`lint` of a config", AIM["lint"], ["lint", str(good)]),
        ("`run --dry-run`", AIM["dry run"], ["run", str(good), "--dry-run"]),
    ]
    for number, (what, line) in enumerate(REFUSED.items()):
        file = folder / f"refused{number}.yaml"
        file.write_text(f"name: refused\nprompts: {{sets: [harm]}}\n{line}\n")
        found.append((f"refused: {what}", AIM["refused"], ["run", str(file), "--dry-run"]))
    return [*found, ("the author's loop", AIM["loop"], list(LOOP))]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--n", type=int, default=3)
    number = options.parse_args().n
    machine = describe_environment(seed_data=0, seed_train=0)
    print(f"{datetime.date.today()}, {machine['processor']}, {machine['cores']} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f} at the start, n = {number}\n")
    print("| what | first word, median s | slowest | whole, median s | aim |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, aim, words in rows(folder):
            times = [first_word(words, folder) for _ in range(number)]
            first, whole = zip(*times, strict=True)
            print(
                f"| {what} | {statistics.median(first):.1f} | {max(first):.1f} "
                f"| {statistics.median(whole):.1f} | {aim} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
