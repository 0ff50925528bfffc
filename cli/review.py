"""`anlage review`: a blind sheet for a person, and what it says about the labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..inspection.review import Review

console = Console()


def review(
    run_dir: Annotated[Path, typer.Argument(help="Run directory.")],
    out: Annotated[Path | None, typer.Option(help="Write a blind sheet (CSV) here.")] = None,
    read: Annotated[Path | None, typer.Option(help="Read this filled sheet back.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most pairs in a sheet.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Of draw, order and sides.")] = 0,
    mode: Annotated[
        list[str] | None, typer.Option(help="Only pairs of this failure mode; repeatable.")
    ] = None,
) -> None:
    """Let a person judge pairs without seeing labels, then compare.

    In the sheet, write A, B or tie into `better`. The key stays in the run directory.
    """
    from ..inspection.review import export_sheet, read_sheet
    from ..pipeline.run_directory import RunDirectory

    if (out is None) == (read is None):
        fix = "give one of them: --out sheet.csv to begin, --read sheet.csv when it is filled"
        message = "--out and --read are two steps"
        raise ConfigurationError.one("D030", "review", message, fix)
    run = RunDirectory(run_dir)
    if out is not None:
        rows = export_sheet(run, out, limit=limit, seed=seed, modes=mode or ())
        _line(f"{out}: {rows} pairs. Write A, B or tie into `better`, then: --read {out}")
        return
    if read is not None:
        _show(read_sheet(run, read))


def _show(found: Review) -> None:
    from ..inspection.review import agreements
    from .render.critic_report import kappa_text

    if not found.rows:
        _line("No row is filled in.")
        return
    table = Table(title="How far the reviewer agrees")
    table.add_column("with")
    for column in ("agreed", "share [95%]", "ties"):
        table.add_column(column, justify="right")
    measured = agreements(found)
    for row in measured:
        ends, share = row.agreed.interval, row.agreed.value
        shown = f"{share:.2f} [{ends.low:.2f}, {ends.high:.2f}]" if row.agreed.n else "none"
        table.add_row(row.what, f"{row.agreed.successes} of {row.agreed.n}", shown, str(row.ties))
    console.print(table)
    for row in measured:
        _line(kappa_text(row.kappa, f"Reviewer and {row.what}"))
    if found.blank:
        _line(f"{found.blank} rows are empty.")
    if all(row.what != "critic's comparison" for row in measured):
        _line("All labels are by construction: no critic's comparison to agree with.")


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
