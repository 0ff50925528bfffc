"""The commands `anlage lint` and `anlage lint --explain CODE`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from ..authoring.lint import explain, lint_library
from ..errors import Problem
from .lint_files import file_kind, lint_file

console = Console()


def lint(
    path: Annotated[
        Path | None, typer.Argument(help="Archetype file or folder; the library if left out.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Folder of prompt sets to check, too.")
    ] = None,
    labelled: Annotated[
        Path | None, typer.Option(help="Folder of labelled answer pairs to check, too.")
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a public suite that nothing here may repeat; repeatable."),
    ] = None,
    code: Annotated[
        str | None, typer.Option("--explain", help="Say what a problem code means, and stop.")
    ] = None,
    notes: Annotated[bool, typer.Option("--notes", help="Print notes (info) one by one.")] = False,
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="How to print.")
    ] = "text",
) -> None:
    """Check archetypes, prompt sets and labelled pairs; exit code 2 if anything is an error."""
    if code is not None:
        _print_explanation(code, output)
        return
    kind = file_kind(path) if path is not None else "archetype"
    if path is not None and kind != "archetype":
        problems = lint_file(path, kind)
    else:
        problems = lint_library(path, prompts=prompts, labelled=labelled, against=against or ())
    _print_problems(problems, output, notes)
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(2)


def _print_explanation(code: str, output: str) -> None:
    found = explain(code)
    if output == "json":
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return
    for name, text in (("", f"{found.code}: {found.means}"), ("Example", found.example)):
        line = f"{name}: {text}" if name else text
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"Fix: {found.fix}", markup=False, highlight=False, soft_wrap=True)


def _print_problems(problems: Sequence[Problem], output: str, notes: bool) -> None:
    if output == "json":
        rows = [{key: getattr(p, key) for key in Problem.__slots__} for p in problems]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    # Dozens of notes would hide the one warning among them.
    shown = [problem for problem in problems if notes or problem.severity != "info"]
    for problem in shown:
        console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    counts = Counter(problem.severity for problem in problems)
    found = [_count(counts[kind], kind) for kind in ("error", "warning") if counts[kind]]
    console.print((", ".join(found) or "No problems.") + _unseen(len(problems) - len(shown)))
    worst = next((p.code for p in problems if p.severity == "error"), "")
    if worst:
        console.print(f"`anlage lint --explain {worst}` says more.", highlight=False)


def _count(number: int, kind: str) -> str:
    return f"{number} {kind}" if number == 1 else f"{number} {kind}s"


def _unseen(number: int) -> str:
    return f" {_count(number, 'note')}: `--notes` prints them." if number else ""
