"""`anlage confounds`: what else tells chosen from rejected, and a set without it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from ..errors import ConfigurationError


def confounds(
    file: Annotated[Path, typer.Argument(help="Pairs: 30_pairs.jsonl of a run, or your own.")],
    balance: Annotated[
        Literal["drop", "reweight"] | None,
        typer.Option(help="Take out, or weigh down, pairs whose surface gives the label away."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the balanced pairs go.")] = None,
) -> None:
    """Length, refusal wording and form of both sides; an AUC of 0.5 tells nothing."""
    from ..preferences.balance import balance as balanced
    from ..preferences.confounds import confounds as measure
    from ..preferences.dataset import Pairs

    if (balance is None) != (out is None):
        fix = "give both: --balance drop --out balanced.jsonl"
        message = "--balance and --out belong together"
        raise ConfigurationError.one("D050", "confounds", message, fix)
    console = Console()
    pairs = Pairs.load(file)
    console.print(_table(measure(pairs), str(file)))
    if balance is None or out is None:
        return
    found = balanced(pairs, balance)
    Pairs(found.pairs).save(out)
    if balance == "drop":
        console.print(_table(measure(found.pairs), str(out)))
    console.print(
        f"{len(pairs)} pairs, {len(found.dropped)} dropped; the weights count as "
        f"{found.effective:.0f} equal pairs. The AUC furthest from 0.5 lay "
        f"{found.worst_before:.2f} away, now {found.worst_after:.2f}. Written: {out}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _table(report: dict[str, Any], title: str) -> Table:
    table = Table(title=f"{title}: {report['n']} pairs")
    table.add_column("feature", overflow="fold")
    for column in ("chosen", "rejected", "AUC"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in report["rows"]:
        table.add_row(
            row["feature"], f"{row['chosen']:.2f}", f"{row['rejected']:.2f}", f"{row['auc']:.2f}"
        )
    return table
