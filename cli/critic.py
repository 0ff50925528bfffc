"""`anlage critic`: measure a critic before it labels anything, and compare two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..llm.run_sync import run_sync
from .spending import DryRun, Limits, MaxCalls, MaxUsd, Prices, Yes

if TYPE_CHECKING:
    from ..authoring.pilot import PilotRow
    from ..critic.compare import AnswerComparison
    from ..critic.critic_report import SelfPreference
    from ..critic.injection import InjectionRow
    from ..pipeline.models import RunModels
    from ..pipeline.progress import StageProgress
    from ..prompts.labelled import LabelledPair

    _Judged = tuple[list[tuple[LabelledPair, AnswerComparison]], str]
    _Own = SelfPreference | None

app = typer.Typer(help="Measure critics on answer pairs whose better half is known.")
console = Console()

ModelName = Annotated[str, typer.Argument(help="A model, as in a run config.")]
SetFile = Annotated[
    Path | None, typer.Option("--set", help="JSON lines of labelled pairs; ours if left out.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Most pairs, alike from every row.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the draw of pairs and principles.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder whose store keeps the calls.")]
OutFile = Annotated[Path | None, typer.Option("--out", help="JSON file for all numbers.")]
_RUNS = Path("runs")
STORE = "cache.sqlite"


@app.command()
def calibrate(
    model: ModelName,
    file: SetFile = None,
    limit: Limit = None,
    seed: Seed = 0,
    runs: Runs = _RUNS,
    out: OutFile = None,
    policy: Annotated[
        str | None, typer.Option(help="Also: how often the critic prefers this model's answers.")
    ] = None,
    dry_run: DryRun = False,
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    prices: Prices = None,
    yes: Yes = False,
) -> None:
    """Accuracy per failure mode and role, position and length bias, reliability."""
    from ..critic.critic_report import critic_report
    from ..files.write import write_json
    from .render.critic_report import critic_report_text, self_preference_text

    pairs = _pairs(file, limit, seed)
    limits = Limits(dry_run, yes, max_calls, max_usd, prices)

    def work(models: RunModels, progress: StageProgress) -> tuple[_Judged, _Own]:
        judged = _judge(models, model, pairs, seed)
        progress.step(f"asking {model} about {policy}")
        own = _self_preference(models, model, policy, pairs, seed) if policy else None
        return judged, own

    specs = [model, policy] if policy else [model]
    started = time.monotonic()
    (judged, fingerprint), own = limits.spend(
        specs, work, store=runs / STORE, title=f"asking {model}"
    )
    seconds = time.monotonic() - started
    report = critic_report(fingerprint, judged, given=len(pairs))
    console.print(critic_report_text(report))
    if own is not None:
        console.print(self_preference_text(own), markup=False, highlight=False)
    if out is not None:
        more = {} if own is None else {"self_preference": asdict(own)}
        write_json(out, {"model": model, "seconds": round(seconds, 1), **report.to_json(), **more})
        console.print(f"All numbers: {out}", highlight=False)


@app.command()
def agreement(
    first: ModelName,
    second: ModelName,
    file: SetFile = None,
    limit: Limit = None,
    seed: Seed = 0,
    runs: Runs = _RUNS,
    dry_run: DryRun = False,
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    prices: Prices = None,
    yes: Yes = False,
) -> None:
    """How far two critics agree beyond chance: Cohen's kappa with a bootstrap interval."""
    from ..critic.critic_report import agreement as measure
    from .render.critic_report import kappa_text

    pairs = _pairs(file, limit, seed)

    def work(models: RunModels, progress: StageProgress) -> list[list[AnswerComparison]]:
        found = []
        for model in (first, second):
            progress.step(f"asking {model}")
            judged, _ = _judge(models, model, pairs, seed)
            found.append([comparison for _, comparison in judged])
            models.release()
        return found

    limits = Limits(dry_run, yes, max_calls, max_usd, prices)
    found = limits.spend([first, second], work, store=runs / STORE, title=f"asking {first}")
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


@app.command()
def pilot(
    model: ModelName,
    archetypes: Annotated[
        Path | None, typer.Option(help="Archetype file or folder; ours if left out.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Archetype id; repeatable.")] = None,
    per_principle: Annotated[int, typer.Option(min=1, help="Most pairs per failure mode.")] = 8,
    votes: Annotated[int, typer.Option(min=1, max=32, help="Votes of a chat model.")] = 1,
    seed: Seed = 0,
    runs: Runs = _RUNS,
    out: OutFile = None,
    dry_run: DryRun = False,
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    prices: Prices = None,
    yes: Yes = False,
) -> None:
    """Before money is spent: which principles apply, decide, and say something of their own."""
    from ..archetypes.loader import LIBRARY
    from ..authoring.pilot import pilot as measure
    from ..constitution.compiler import compile_constitution
    from ..files.write import write_json
    from ..prompts.labelled import shipped_pairs
    from ..prompts.loader import load_prompts
    from .render.authoring import pilot_text

    constitution = compile_constitution(archetypes or LIBRARY, only=only)

    def work(models: RunModels, progress: StageProgress) -> list[PilotRow]:
        return run_sync(
            measure(
                models.get(model),
                shipped_pairs(),
                tuple(constitution),
                load_prompts("train"),
                per_principle=per_principle,
                votes=votes,
                seed=seed,
            )
        )

    limits = Limits(dry_run, yes, max_calls, max_usd, prices)
    rows = limits.spend([model], work, store=runs / STORE, title=f"asking {model}")
    console.print(pilot_text(rows, model))
    if out is not None:
        write_json(out, {"model": model, "rows": [row.to_json() for row in rows]})


def _self_preference(
    models: RunModels, model: str, policy: str, pairs: Sequence[LabelledPair], seed: int
) -> SelfPreference:
    """How often the critic prefers what the policy writes."""
    from ..constitution.compiler import compile_constitution
    from ..critic.critic_report import self_preference

    principles = tuple(compile_constitution())
    critic, writer = models.get(model), models.get(policy)
    return run_sync(self_preference(critic, writer, pairs, principles, seed=seed))


def _judge(models: RunModels, model: str, pairs: Sequence[LabelledPair], seed: int) -> _Judged:
    """The critic's comparisons and its fingerprint."""
    from ..constitution.compiler import compile_constitution
    from ..critic.calibrate import judge_pairs

    critic = models.get(model)
    return run_sync(judge_pairs(critic, pairs, compile_constitution(), seed=seed)), (
        critic.fingerprint
    )


def _pairs(file: Path | None, limit: int | None, seed: int) -> list[LabelledPair]:
    from ..prompts.labelled import balanced_sample, shipped_pairs
    from ..prompts.labelled_file import read_labelled_file

    pairs: list[LabelledPair] = [*read_labelled_file(file)] if file else shipped_pairs()
    return balanced_sample(pairs, limit=limit, seed=seed)


def injection(
    model: Annotated[str, typer.Argument(help="A model, as in a run config.")],
    per_attack: Annotated[int, typer.Option(min=1, help="Pairs each attack is tried on.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of pairs and principles.")] = 0,
    runs: Annotated[Path, typer.Option("--runs", help="Folder whose store keeps the calls.")] = (
        Path("runs")
    ),
    dry_run: DryRun = False,
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    prices: Prices = None,
    yes: Yes = False,
) -> None:
    """Put attacks on a judge into the failing answers, and print the share that worked."""
    from ..constitution.compiler import compile_constitution
    from ..critic.injection import ATTACKS, measure_injection
    from ..prompts.labelled import balanced_sample, shipped_pairs

    pairs = balanced_sample(shipped_pairs(), limit=per_attack * len(ATTACKS), seed=seed)

    def work(models: RunModels, progress: StageProgress) -> list[InjectionRow]:
        return run_sync(
            measure_injection(
                models.get(model), pairs, compile_constitution(), per_attack=per_attack, seed=seed
            )
        )

    limits = Limits(dry_run, yes, max_calls, max_usd, prices)
    rows = limits.spend([model], work, store=runs / STORE, title=f"attacking {model}")
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
