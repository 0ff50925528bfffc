"""Scores the battery of author mistakes in `tests/mistakes` and says what is missed.

python benchmarks/mistakes.py [--record] [--misses] [--out FILE]

Prints a table per kind in Markdown. `--record` writes what each file reaches into the `known`
lists of `tests/mistakes/expected.yaml`, which the test then holds as a floor; it refuses where a
file reaches less than before. No model and no other machine is asked.
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the battery is a part of the tests, not of the package

from tests.mistakes.score import (  # noqa: E402
    AIMS,
    EXPECTED,
    FILES,
    MEASURES,
    Case,
    Outcome,
    call,
    desk_outcome,
    judge,
    load_cases,
    shares,
)

Scores = Mapping[str, Mapping[str, bool]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write the `known` lists")
    parser.add_argument("--misses", action="store_true", help="list what is missed, too")
    parser.add_argument("--out", type=Path, help="Markdown file to write instead of printing")
    options = parser.parse_args()
    cases = load_cases()
    began = time.monotonic()
    outcomes = {
        file: call(case.command, case.place, (FILES / file).read_bytes())
        for file, case in cases.items()
    }
    scores = {file: judge(cases[file], outcome) for file, outcome in outcomes.items()}
    parts = [_where(len(cases), time.monotonic() - began), _table(cases, scores)]
    parts.append(f"{_echoes(outcomes)}\n\n{_codes(cases, scores)}")
    if options.misses:
        parts.append(_misses(cases, scores, outcomes))
    text = "\n\n".join(parts) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    if options.record:
        _record(cases, scores)


def _where(count: int, seconds: float) -> str:
    git = ["git", "-C", str(ROOT), "log", "-1", "--format=%h, %cs"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "no git"
    python = platform.python_version()
    return f"n = {count} files, {seconds:.0f} s, Python {python}, on top of commit {commit}."


def _row(name: str, scores: Scores) -> str:
    found = shares(scores)
    cells = (f"{100 * found[measure]:.0f}%" for measure in AIMS)
    return f"| {name} | {len(scores)} | " + " | ".join(cells) + " |"


def _table(cases: Mapping[str, Case], scores: Scores) -> str:
    kinds: dict[str, dict[str, Mapping[str, bool]]] = defaultdict(dict)
    for file, found in scores.items():
        kinds[cases[file].kind][file] = found
    aims = " | ".join(f"{100 * aim:.0f}%" for aim in AIMS.values())
    return "\n".join(
        [
            "| kind | n | no traceback | caught | right line | fix works | understood |",
            "|---|---|---|---|---|---|---|",
            *(_row(kind, found) for kind, found in kinds.items()),
            _row("**all**", scores),
            f"| *aim* | | {aims} |",
        ]
    )


def _echoes(outcomes: Mapping[str, Outcome]) -> str:
    """How many problems one mistake becomes, among the files in which any is printed."""
    counts = sorted(len(o.problems) for o in outcomes.values() if o.problems)
    if not counts:
        return "No file is answered with a problem."
    one = sum(count == 1 for count in counts)
    return (
        f"One mistake, one problem: {one} of the {len(counts)} files that are answered with any; "
        f"at most {counts[-1]}."
    )


def _codes(cases: Mapping[str, Case], scores: Scores) -> str:
    right = sum(found["code"] for found in scores.values())
    return f"The code is the expected one in {right} of {len(cases)} files."


def _misses(cases: Mapping[str, Case], scores: Scores, outcomes: Mapping[str, Outcome]) -> str:
    lines = ["| file | line | misses | what was said first |", "|---|---|---|---|"]
    for file, found in scores.items():
        missed = [name for name in AIMS if not found[name]]
        if missed:
            line = " or ".join(str(number) for number in cases[file].lines)
            said = _said(cases[file], outcomes[file], found["caught"])
            lines.append(f"| {file} | {line} | {', '.join(missed)} | {said} |")
    return "\n".join(lines)


def _said(case: Case, outcome: Outcome, caught: bool) -> str:
    if outcome.crash:
        return f"a traceback: {_cell(outcome.crash)}"
    if not caught:
        right = desk_outcome(case.command, case.place)
        return "nothing" if right.passed else "refuses a right file alike"
    if not outcome.problems:
        return f"no place; exit code {outcome.exit_code}"
    first = outcome.problems[0]
    return _cell(f"{Path(first.file).name}:{first.line} {first.code} {first.text}")


def _cell(text: str) -> str:
    plain = re.sub(r"[\x00-\x1f\x7f-\xa0\u200b]", " ", text).replace("|", "\\|")
    return plain if len(plain) <= 120 else f"{plain[:117]}..."


def _record(cases: Mapping[str, Case], scores: Scores) -> None:
    lost = {
        file: [name for name in case.known if not scores[file][name]]
        for file, case in cases.items()
    }
    if any(lost.values()):
        worse = "\n".join(f"{file}: {', '.join(names)}" for file, names in lost.items() if names)
        sys.exit(f"nothing recorded, since these reach less than before:\n{worse}")
    file, lines = "", []
    for line in EXPECTED.read_text(encoding="utf-8").split("\n"):
        if line.endswith(":") and line[:-1] in cases:
            file = line[:-1]
        lines.append(_known(scores[file]) if line.startswith("  known: ") else line)
    EXPECTED.write_text("\n".join(lines), encoding="utf-8")
    print(f"{EXPECTED}: recorded", file=sys.stderr)


def _known(found: Mapping[str, bool]) -> str:
    reached: Sequence[str] = [name for name in MEASURES if found[name]]
    return f"  known: [{', '.join(reached)}]"


if __name__ == "__main__":
    main()
