"""`anlage doctor`: what would spoil a training, before it costs anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from ..pipeline.doctor import Diagnosis


def doctor(
    config: Annotated[Path, typer.Argument(help="Config file, or a run directory.")],
) -> None:
    """Check a training before any cost; exit code 2 if anything is an error."""
    from ..pipeline.doctor import diagnose
    from ..pipeline.resolved import Resolved

    file = config / "config.yaml" if config.is_dir() else config
    resolved = Resolved.load(file)
    resolved.check(str(file))
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
