"""`anlage runs ls|show|pairs|diff`: the registry of all runs, failed ones included."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

app = typer.Typer(
    help="The registry: every run there is, what it was, how two of them differ.",
    no_args_is_help=True,
)
console = Console()
Folder = Annotated[Path, typer.Option(help="Folder that holds the runs.")]


@app.command(name="ls")
def list_(
    runs: Folder = Path("runs"),
    study: Annotated[str | None, typer.Option(help="Only runs of this study.")] = None,
    state: Annotated[str | None, typer.Option(help="Only runs in this state.")] = None,
    check: Annotated[bool, typer.Option(help="Hash all files, so that corrupt runs show.")] = False,
) -> None:
    """List all runs, newest last; failed and abandoned ones stay, with the reason."""
    from ..inspection.registry import registered

    found = [
        run
        for run in registered(runs, check=None if check else ())
        if study in (None, run.study) and state in (None, run.state.state)
    ]
    table = Table(title=f"{len(found)} runs in {runs}", title_justify="left")
    for column in ("run", "state", "seeds", "calls", "tokens", "cost", "min", "changed", "reason"):
        right = column in ("calls", "tokens", "cost", "min")
        justify: Literal["left", "right"] = "right" if right else "left"
        table.add_column(column, justify=justify, overflow="fold")
    for run in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.changed))
        reason = "" if run.state.state == "finished" else run.state.reason
        seeds = f"{run.seeds[0]}, {run.seeds[1]}"
        spent = run.state.spent
        cost = "unknown" if spent.usd is None else f"${spent.usd:.2f}"
        minutes = f"{run.state.seconds / 60:.1f}"
        numbers = (str(run.state.calls), f"{spent.tokens:,}", cost, minutes)
        cells = (run.name, run.state.state, seeds, *numbers, when, reason[:80])
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)


@app.command()
def show(run: Annotated[Path, typer.Argument(help="Run directory.")]) -> None:
    """Show one run: its state, and per stage time, calls and where the result came from."""
    from ..inspection.run_state import damaged_files, run_state
    from ..pipeline.run_directory import RunDirectory

    manifest = RunDirectory(run).manifest
    state = run_state(run)
    console.print(Text(f"{run.name}: {state.state} ({state.reason})"))
    table = Table()
    for column in ("stage", "seconds", "calls", "taken over from", "whole", "key"):
        table.add_column(column, justify="right" if column in ("seconds", "calls") else "left")
    damaged = set(damaged_files(manifest))
    for name, record in manifest.stages.items():
        whole = "no" if damaged & set(record.outputs) else "yes"
        cells = (name, f"{record.seconds:.1f}", str(record.calls), record.adopted or "-", whole)
        table.add_row(*(Text(cell) for cell in (*cells, record.key[:12])))
    console.print(table)
    console.print(f"All starts: {state.spent}; {state.seconds:.0f} s.", highlight=False)
    for change in manifest.changes:
        names = ", ".join(change["changed"])
        console.print(Text(f"Config changed on {change['when']}: {names}"))


@app.command()
def pairs(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    pair_id: Annotated[
        str | None, typer.Argument(help="Show this pair in full, with all that led to it.")
    ] = None,
    mode: Annotated[str, typer.Option(help="Only this failure mode.")] = "",
    principle: Annotated[str, typer.Option(help="Only this principle or archetype.")] = "",
    outcome: Annotated[str, typer.Option(help="ok, mislabelled, ...; `pair` for pairs.")] = "",
    label: Annotated[str, typer.Option(help="construction, comparison or check.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most rows that are printed.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="All that fit, as JSON.")] = False,
) -> None:
    """List the pairs of a run and the attempts that made none, or show one pair with its trace."""
    from ..inspection.pairs import listed_pairs
    from ..inspection.trace import trace
    from ..pipeline.run_directory import RunDirectory
    from .render.authoring import trace_text

    directory = RunDirectory(run)
    if pair_id is not None:
        console.print(trace_text(trace(directory, pair_id)))
        return
    found = listed_pairs(directory, mode=mode, principle=principle, outcome=outcome, label=label)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in found], indent=1, ensure_ascii=False))
        return
    for row in found[:limit]:
        ended = f"{row.outcome}: {row.reason}" if row.reason else row.outcome
        source = f", label by {row.label} ({row.p_chosen:.2f})" if row.p_chosen else ""
        lines = [f"{row.id or row.prompt_id}  {row.mode}, {row.principle}; {ended}{source}"]
        lines += [
            f"    {name:<9} {text}"
            for name, text in (
                ("asked:", row.asked),
                ("chosen:", row.chosen),
                ("rejected:", row.rejected),
            )
            if text
        ]
        console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{min(limit, len(found))} of {len(found)} attempts that fit. One pair in full: "
        f"anlage runs pairs {run} ID",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(help="Run directory.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
) -> None:
    """Show exactly what differs between two runs: settings, environment, files."""
    from ..inspection.registry import differences

    rows = differences(first, second)
    if not rows:
        console.print("Nothing differs: same settings, environment and files.")
        return
    table = Table(title=f"{len(rows)} differences", title_justify="left")
    for column in ("where", "what", first.name, second.name):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            *(Text(c) for c in (row.where, row.name, _shown(row.first), _shown(row.second)))
        )
    console.print(table)


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
