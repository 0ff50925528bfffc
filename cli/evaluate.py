"""`anlage evaluate` and `anlage compare`: models on suites, side by side, with gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import ConfigurationError
from ..evaluation.measure import TARGETS
from ..files.write import write_atomically
from .spending import DryRun, Limits, MaxCalls, MaxUsd, Prices, Yes, agree_to_run, show_estimate

if TYPE_CHECKING:
    from ..evaluation.suites.evaluation import SuiteEvaluation
    from ..evaluation.suites.gates import Gates
    from ..inspection.suites import Asked
    from ..pipeline.models import RunModels
    from ..pipeline.progress import StageProgress

console = Console()
STORE = Path("runs") / "cache.sqlite"


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Models, run directories or adapters; NAME=MODEL names one."),
    ] = None,
    suites: Annotated[
        str, typer.Option(help="NAME[+ATTACK][:LIMIT], comma-separated; or YAML files.")
    ] = "",
    profile: Annotated[str, typer.Option(help="Suites under one name, such as `quick`.")] = "",
    suite_dir: Annotated[Path | None, typer.Option(help="Folder of the public suites.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all results.")] = None,
    gates: Annotated[Path | None, typer.Option(help="Bounds to keep; exit code 1 if not.")] = None,
    baseline: Annotated[str, typer.Option(help="Compare with it; the first by default.")] = "",
    targets: Annotated[
        str, typer.Option(help="What training aimed at; the rest is watched for bleed.")
    ] = ",".join(TARGETS),
    judge: Annotated[str, typer.Option(help="A model as judge instead of ours.")] = "",
    quality: Annotated[str, typer.Option(help="A model that rates harmful help.")] = "",
    system: Annotated[str, typer.Option(help="System prompt for every conversation.")] = "",
    max_tokens: Annotated[int | None, typer.Option(min=1, max=4096, help="Per answer.")] = None,
    seed: Annotated[int, typer.Option(help="Seeds the samples.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, max=1024)] = 32,
    store: Annotated[Path, typer.Option(help="Where calls are kept; nothing is asked twice.")] = (
        STORE
    ),
    list_: Annotated[bool, typer.Option("--list", help="Show all suites.")] = False,
    split: Annotated[
        Literal["dev", "test"], typer.Option(help="For a run: test only once a release.")
    ] = "dev",
    again: Annotated[bool, typer.Option(help="For a run: measure even if unchanged.")] = False,
    dry_run: DryRun = False,
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    prices: Prices = None,
    yes: Yes = False,
) -> None:
    """Measure models on suites; or base and trained model of a run on our own twins."""
    if list_:
        return console.print(_suite_table())
    words, bounds = list(models or []), _gates(gates)
    limits = Limits(dry_run, yes, max_calls, max_usd, prices)
    if not (suites or profile):
        return _evaluate_run(words, split=split, again=again, limits=limits)
    from ..inspection.suites import Asked

    asked = Asked(suites, profile, suite_dir, judge, quality, system, max_tokens, seed)
    result = _measured(words, asked, limits, store, batch_size)
    if json_file is not None:
        write_atomically(json_file, result.to_json())
    _show(result, baseline, targets, bounds)


def _measured(
    words: list[str], asked: Asked, limits: Limits, store: Path, batch_size: int
) -> SuiteEvaluation:
    """Measures the models within the limits; what is a run's own is kept with it."""
    from ..inspection.models import is_run, named_models, own_principles
    from ..inspection.suites import keep_with_run, measure_with

    chosen, own = named_models(words), own_principles(words)
    asked = replace(asked, principles=own)
    specs = [*(one.spec for one in chosen), *filter(None, (asked.judge, asked.quality))]

    def work(models: RunModels, progress: StageProgress) -> SuiteEvaluation:
        return measure_with(models, progress, chosen, asked)

    result = limits.spend(specs, work, store=store, title="evaluating", batch_size=batch_size)
    if len(words) == 1 and is_run(Path(words[0])):
        console.print(f"Report: {keep_with_run(Path(words[0]), result)}", highlight=False)
    return result


def compare(
    before: Annotated[str, typer.Argument(help="FILE, FILE:MODEL or a run directory.")],
    after: Annotated[str, typer.Argument(help="FILE, FILE:MODEL or a run directory.")],
    targets: Annotated[str, typer.Option(help="What training aimed at.")] = ",".join(TARGETS),
    gates: Annotated[Path | None, typer.Option(help="Bounds to keep; exit code 1 if not.")] = None,
) -> None:
    """Compare two evaluations, prompt by prompt."""
    from ..inspection.models import read_compared
    from .render.suites import compared_report, gates_table

    bounds = _gates(gates)
    first, second = read_compared(before, first=True), read_compared(after, first=False)
    console.print(compared_report(first, second, _split(targets)))
    if bounds is not None:
        from ..evaluation.suites.evaluation import ModelOutcomes

        if not isinstance(first, ModelOutcomes) or not isinstance(second, ModelOutcomes):
            message, fix = "gates need evaluations of suites", "compare files of `--json`"
            raise ConfigurationError.one("E011", before, message, fix)
        from ..evaluation.suites.gates import check_gates

        results = check_gates(bounds, second, first)
        console.print(gates_table(results))
        if not all(result.passed for result in results):
            raise typer.Exit(1)


def _show(result: SuiteEvaluation, baseline: str, targets: str, bounds: Gates | None) -> None:
    from ..evaluation.suites.gates import check_gates
    from .render.suites import gates_table, suites_report

    names = [model.name for model in result.models]
    against = baseline or (names[0] if len(names) > 1 else "")
    if against and against not in names:
        message, fix = f"no model {against!r} to compare with", f"name one of: {', '.join(names)}"
        raise ConfigurationError.one("E011", "--baseline", message, fix)
    console.print(suites_report(result, baseline=against or None, targets=_split(targets)))
    if bounds is None:
        return
    base = result.model(against) if against else None
    checked = [model for model in result.models if len(names) == 1 or model.name != against]
    results = [found for model in checked for found in check_gates(bounds, model, base)]
    console.print(gates_table(results))
    if not all(found.passed for found in results):
        raise typer.Exit(1)


def _gates(path: Path | None) -> Gates | None:
    """Read before anything is asked, so that a typing error costs nothing."""
    if path is None:
        return None
    from ..evaluation.suites.gates import load_gates

    return load_gates(path)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _suite_table() -> Table:
    from ..evaluation.suites.registry import shipped_suites

    table = Table(title_justify="left")
    for column in ("suite", "kind", "role", "use", "reads"):
        table.add_column(column, overflow="fold")
    for suite in shipped_suites().values():
        reads = ", ".join(suite.files) or (suite.hub.dataset if suite.hub else "shipped")
        cells = (suite.name, suite.kind, suite.role or "", suite.split_role, reads)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _evaluate_run(
    words: Sequence[str], *, split: Literal["dev", "test"], again: bool, limits: Limits
) -> None:
    from ..inspection.models import is_run

    target = Path(words[0]) if len(words) == 1 else None
    if target is None or not (is_run(target) or target.suffix in (".yaml", ".yml")):
        fix = "give --suites NAME,NAME or --profile quick; `anlage evaluate --list` shows them"
        message = "nothing says what to measure"
        raise ConfigurationError.one("E011", "evaluate", message, fix)
    if split == "test" and again:
        fix = "leave --again out; the test twins are measured anew each time"
        raise ConfigurationError.one("X006", "--again", "is for dev only", fix)
    if limits != Limits(limits.dry_run, limits.yes):
        fix = "set `budget` in the run's config"
        message = "`--max-calls`, `--max-usd` and `--prices` are for suites"
        raise ConfigurationError.one("X006", "evaluate", message, fix)
    from ..pipeline.resolved import Resolved
    from .render.evaluation import evaluation_report

    file = target / "config.yaml" if target.is_dir() else target
    if limits.dry_run:
        return show_estimate(file, console)
    agree_to_run(Resolved.load(file), str(file), yes=limits.yes)
    if split == "test":
        from ..pipeline.run import evaluate_test_split

        console.print(evaluation_report(evaluate_test_split(file, console)))
        return
    from ..pipeline.run import run as run_pipeline

    done = run_pipeline(file, until="evaluation", again=again, quiet=False, console=console)
    console.print()
    console.print(evaluation_report(done.evaluation))
    console.print(done.cost, highlight=False)


def register_evaluation(app: typer.Typer) -> None:
    """Adds `evaluate` and `compare`."""
    app.command()(evaluate)
    app.command()(compare)
