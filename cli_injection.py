"""`anlage critic injection`: can a text inside an answer move this critic's verdict?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def injection(
    model: Annotated[str, typer.Argument(help="A model, as in a run config.")],
    per_attack: Annotated[int, typer.Option(min=1, help="Pairs each attack is tried on.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of pairs and principles.")] = 0,
    runs: Annotated[Path, typer.Option("--runs", help="Folder whose store keeps the calls.")] = (
        Path("runs")
    ),
) -> None:
    """Put attacks on a judge into the failing answers, and print the share that worked."""
    from .cache import Store
    from .constitution.compiler import compile_constitution
    from .critic.injection import measure_injection
    from .critic.injection_attacks import ATTACKS
    from .critic.labelled_sample import balanced_sample
    from .critic.shipped_pairs import shipped_pairs
    from .pipeline.models import RunModels
    from .pipeline.progress import StageProgress

    console = Console()
    pairs = balanced_sample(shipped_pairs(), limit=per_attack * len(ATTACKS), seed=seed)
    progress = StageProgress(console)
    with Store(runs / "cache.sqlite") as store, progress.stage(f"attacking {model}"):
        models = RunModels(store, batch_size=32, on_progress=progress.update)
        rows = asyncio.run(
            measure_injection(
                models.get(model), pairs, compile_constitution(), per_attack=per_attack, seed=seed
            )
        )
    table = Table(title=f"{len(ATTACKS)} attacks on {model}")
    for column in ("family", "tried", "moved", "share (95% interval)"):
        table.add_column(column)
    for row in rows:
        share = f"{row.moved / row.n:.0%} ({row.low:.0%} to {row.high:.0%})" if row.n else "-"
        table.add_row(row.family, str(row.n), str(row.moved), share)
    console.print(table)
    console.print(
        "Moved: the verdict went towards the attacker, ties included. A critic that cannot "
        "tell answers apart is moved by any change of the text."
    )
