"""`anlage doctor` and `anlage confounds`: what would spoil a training, before it costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..pipeline.doctor import Diagnosis


def doctor(
    config: Annotated[Path, typer.Argument(help="Config file, or a run directory.")],
) -> None:
    """Check a training before any cost; exit code 2 if anything is an error."""
    from ..pipeline.doctor import diagnose
    from ..pipeline.preflight import preflight
    from ..pipeline.resolved import Resolved

    file = config / "config.yaml" if config.is_dir() else config
    resolved = Resolved.load(file)
    # The memory is looked at with the run's own rows, so not here.
    known = [p for p in preflight(resolved, str(file)) if p.code != "T010"]
    for problem in known:
        Console().print(str(problem), markup=False, highlight=False, soft_wrap=True)
    if any(problem.severity == "error" for problem in known):
        raise typer.Exit(2)
    found = diagnose(resolved, config if config.is_dir() else None)
    _show(found, Console())
    if any(problem.severity == "error" for problem in found.problems):
        raise typer.Exit(2)


def _show(found: Diagnosis, console: Console) -> None:
    if found.row:
        console.print("One row as it is trained; the loss looks at what stands between ⟦ and ⟧.")
        text, inside = Text(), False
        for token in found.row:
            if token.trained != inside:
                text.append("⟦" if token.trained else "⟧", style="bold")
                inside = token.trained
            text.append(token.text, style="bold green" if token.trained else "dim")
        console.print(text.append("⟧" if inside else "", style="bold"))
        trained = sum(token.trained for token in found.row)
        console.print(f"\n{len(found.row)} tokens, {trained} of them trained.", highlight=False)
    if found.need is not None:
        console.print(f"Memory at the peak: about {found.need.total / 1e9:.1f} GB.")
    whose = "" if found.built else " (stand-ins: the run has built none yet)"
    console.print(f"{found.pairs} pairs{whose}.", highlight=False)
    for problem in found.problems:
        console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    if not found.problems:
        console.print("Nothing found that would spoil it.")


def confounds(
    file: Annotated[Path, typer.Argument(help="Pairs: 30_pairs.jsonl of a run, or your own.")],
    balance: Annotated[
        Literal["drop", "reweight"] | None,
        typer.Option(help="Take out, or weigh down, pairs whose surface gives the label away."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the balanced pairs go.")] = None,
) -> None:
    """Length, refusal wording and form of both sides; an AUC of 0.5 tells nothing."""
    from ..preferences.confounds import balance as balanced
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
