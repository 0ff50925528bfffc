"""`anlage critic`: measure a critic before it labels anything, and compare two."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from .critic.compare import Comparison
    from .critic.labelled_pair import LabelledPair
    from .pipeline.models import RunModels

app = typer.Typer(help="Measure critics on answer pairs whose better half is known.")
console = Console()

ModelName = Annotated[str, typer.Argument(help="A model, as in a run config.")]
SetFile = Annotated[
    Path | None, typer.Option("--set", help="JSON lines of labelled pairs; ours if left out.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Most pairs, alike from every row.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the draw of pairs and principles.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder whose store keeps the calls.")]
_RUNS = Path("runs")


@app.command()
def calibrate(
    model: ModelName,
    file: SetFile = None,
    limit: Limit = None,
    seed: Seed = 0,
    runs: Runs = _RUNS,
    out: Annotated[Path | None, typer.Option(help="JSON file for all numbers.")] = None,
) -> None:
    """Accuracy per failure mode and role, position and length bias, reliability."""
    from .critic.critic_report import critic_report
    from .critic.critic_report_text import critic_report_text
    from .pipeline.files import write_json

    pairs = _pairs(file, limit, seed)
    with _Critics(runs) as critics:
        started = time.monotonic()
        judged, fingerprint = critics.judge(model, pairs, seed)
        seconds = time.monotonic() - started
        spent = critics.models.budget.spent
    report = critic_report(fingerprint, judged, given=len(pairs))
    console.print(critic_report_text(report))
    console.print(f"{seconds:.0f} s, {spent}; stored calls are free.", highlight=False)
    if out is not None:
        write_json(out, {"model": model, "seconds": round(seconds, 1), **report.to_json()})
        console.print(f"All numbers: {out}", highlight=False)


@app.command()
def agreement(
    first: ModelName,
    second: ModelName,
    file: SetFile = None,
    limit: Limit = None,
    seed: Seed = 0,
    runs: Runs = _RUNS,
) -> None:
    """How far two critics agree beyond chance: Cohen's kappa with a bootstrap interval."""
    from .critic.critic_report import agreement as measure
    from .critic.critic_report_text import kappa_text

    pairs = _pairs(file, limit, seed)
    with _Critics(runs) as critics:
        found: list[list[Comparison]] = []
        for model in (first, second):
            judged, _ = critics.judge(model, pairs, seed)
            found.append([comparison for _, comparison in judged])
            critics.models.release()
    console.print(
        kappa_text(measure(*found), f"{first} and {second}"), markup=False, highlight=False
    )
    undecided = [sum(c.outcome not in ("first", "second") for c in side) for side in found]
    console.print(
        f"Undecided: {undecided[0]} by {first}, {undecided[1]} by {second}. Agreement is not "
        "accuracy: two critics can share a mistake.",
        markup=False,
        highlight=False,
    )


class _Critics:
    """Critics behind the store of a `runs` folder."""

    models: RunModels

    def __init__(self, runs: Path) -> None:
        from .cache import Store
        from .pipeline.models import RunModels
        from .pipeline.progress import StageProgress

        self._progress = StageProgress(console)
        self._store = Store(runs / "cache.sqlite")
        self.models = RunModels(self._store, batch_size=32, on_progress=self._progress.update)

    def __enter__(self) -> _Critics:
        return self

    def __exit__(self, *error: object) -> None:
        self._store.close()

    def judge(
        self, model: str, pairs: Sequence[LabelledPair], seed: int
    ) -> tuple[list[tuple[LabelledPair, Comparison]], str]:
        """The critic's comparisons and its fingerprint."""
        from .constitution.compiler import compile_constitution
        from .critic.calibrate import judge_pairs

        with self._progress.stage(f"asking {model}"):
            critic = self.models.get(model)
            judged = asyncio.run(judge_pairs(critic, pairs, compile_constitution(), seed=seed))
        return judged, critic.fingerprint


def _pairs(file: Path | None, limit: int | None, seed: int) -> list[LabelledPair]:
    from .critic.labelled_file import read_labelled_file
    from .critic.labelled_sample import balanced_sample
    from .critic.shipped_pairs import shipped_pairs

    pairs: list[LabelledPair] = [*read_labelled_file(file)] if file else shipped_pairs()
    return balanced_sample(pairs, limit=limit, seed=seed)
