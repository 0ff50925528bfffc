"""`anlage study plan|run|report`: ablations from one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ..study.planning.sharing import Job
    from ..study.queues.local_queue import QueueState
    from ..study.result import StudyResult

app = typer.Typer(
    help="Ablations: arms and seeds from one file, with the run as the unit.",
    no_args_is_help=True,
)
console = Console()
File = Annotated[Path, typer.Argument(help="Study file.")]
Full = Annotated[bool, typer.Option(help="At full size: apply the file's `full:` section.")]


@app.command()
def plan(file: File, full: Full = False) -> None:
    """What is new, what is shared, calls, cost, time and power, before anything runs."""
    from ..study.design import design
    from ..study.planning.plan import make_plan
    from .render.study import plan_text

    console.print(plan_text(make_plan(design(file, full=full))))


@app.command()
def run(
    file: File,
    full: Full = False,
    parallel: Annotated[int, typer.Option(min=1, max=4096, help="Most runs at a time.")] = 1,
    backend: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes here, or tasks on a Ray cluster.")
    ] = "local",
    address: Annotated[str | None, typer.Option(help="Address of the Ray cluster.")] = None,
) -> None:
    """Run what is not finished, then write the report; resumes where it stopped."""
    from ..study.study import Study
    from .render.study import live_table

    study = Study(file, full=full)
    for warning in study.design.warnings:
        console.print(Text(warning, style="bold red"))
    with Live(console=console, refresh_per_second=2, transient=True) as live:

        def show(jobs: Sequence[Job], state: QueueState) -> None:
            live.update(live_table(jobs, state))

        found = study.run(parallel=parallel, backend=backend, address=address, on_change=show)
    _print(found, said=study.design.warnings)
    if any(result.state.state == "failed" for result in found.results.runs):
        raise typer.Exit(1)


@app.command()
def report(file: File, full: Full = False) -> None:
    """Write report and tables again from what there is; runs nothing."""
    from ..study.study import Study

    _print(Study(file, full=full).write())


def _print(found: StudyResult, *, said: Sequence[str] = ()) -> None:
    from ..evaluation.wording import p_text
    from ..study.report.report import loud_lines
    from ..study.wording import amount, ends, headline

    for line in (line for line in loud_lines(found) if line not in said):
        console.print(Text(line, style="bold red"))
    console.print(Text(headline(found.comparisons), style="bold"))
    against = found.design.spec.against
    label = found.comparisons[0].outcome.what.label if found.comparisons else ""
    table = Table(title=f"{label}, against {against}", title_justify="left")
    for column in ("arm", "seeds", "difference", "95%", "p, Holm", "verdict"):
        table.add_column(column, justify="left" if column in ("arm", "verdict") else "right")
    for c in found.comparisons:
        best = c.best
        figures = (
            (amount(best.value, c.outcome.what, sign=True), ends(best.interval, c.outcome.what))
            if best
            else ("-", "-")
        )
        table.add_row(Text(c.arm), str(len(c.seeds)), *figures, p_text(c.p_holm), c.verdict)
    console.print(table)
    for result in found.results.unfinished:
        reason = f": {result.state.reason}" if result.state.reason else ""
        where = f"{result.run.arm}, seed {result.run.seed}"
        console.print(Text(f"{where}: {result.state.state}{reason}", style="yellow"))
    console.print(f"Report: {found.report}", markup=False, soft_wrap=True)
