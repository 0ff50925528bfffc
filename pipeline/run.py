"""One command from archetype files to an evaluated model, stage by stage, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from ..errors import (
    AnlageError,
    BudgetError,
    ConfigurationError,
    ModelNotFoundError,
    NotSupportedError,
    Problem,
    RunDirectoryError,
    Severity,
)
from ..evaluation.result import Evaluation
from ..files.write import write_atomically, write_json
from ..llm.budget import Budget, Spending
from ..llm.prices import load_prices
from ..preferences.dataset import Pairs
from ..store.store import Store
from .config import RunConfig
from .environment import describe_environment
from .evaluation_stage import measure
from .models import RunModels
from .preflight import asked_before, preflight, refuse
from .progress import StageProgress
from .resolved import Resolved
from .reuse import adopt
from .run_directory import (
    RunDirectory,
    adopt_budget,
    changes,
    free_name,
    locked,
    open_run,
    other_config,
)
from .spending import SpendingLog
from .stage import Context, Stage
from .stages import STAGE_NAMES, stages_for
from .training_stages import set_aside
from .unit import units_of
from .unit_data import pairs_for
from .used_keys import open_store

TEST_EVALUATION = "51_evaluation_test.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished (or partly finished) run.

    Attributes:
        path: The run directory.
        skipped: Stages whose results were still good.
        calls: Model calls made now, not counting those answered by the store.
        seconds: Wall time.
        spent: What these calls cost.
        total: What all starts of the run have cost.
    """

    path: Path
    skipped: tuple[str, ...]
    calls: int
    seconds: float
    spent: Spending
    total: Spending

    @property
    def cost(self) -> str:
        """Calls, tokens, cost and time in a sentence."""
        return _cost(self.spent, self.total, self.seconds)

    @property
    def pairs(self) -> Pairs:
        """The preference pairs."""
        return Pairs.load(self.path / "30_pairs.jsonl")

    @property
    def evaluation(self) -> Evaluation:
        """Before and after."""
        file = self.path / "50_evaluation.json"
        return Evaluation.from_json(file.read_text("utf-8"), source=str(file))

    @property
    def report(self) -> Path:
        """The report, one self-contained HTML file."""
        return self.path / "60_report.html"


def run(
    config: RunConfig | Resolved | str | Path,
    *,
    until: str = "report",
    again: bool = False,
    new: bool = False,
    quiet: bool = True,
    console: Console | None = None,
    progress: StageProgress | None = None,
    store_of: Callable[[RunDirectory], Store] = open_store,
) -> Run:
    """Runs all stages of a config; those whose inputs have not changed are skipped.

    A run that was stopped at any moment continues when called again: no stored
    model call is repeated, and training goes on from its last checkpoint.

    Args:
        config: A `RunConfig`, resolved or not, or a YAML file.
        until: Name of the last stage to run.
        again: Run that last stage even if its result is still good.
        new: Where the run directory belongs to another config, take the next free name.
        quiet: Print nothing.
        console: Where to print.
        progress: What is told how far the run is, instead of `console`.
        store_of: Opens the call store; the default is the file beside the run.

    Raises:
        ConfigurationError: The config, an archetype or a prompt set is wrong.
        RunDirectoryError: The run directory belongs to another config or is in use.
        BudgetError: The next calls do not fit in `budget`; raise it and call again.
        AnlageError: A stage failed; the message says what to do.

    Example:
        >>> import anlage
        >>> result = anlage.run("examples/quickstart.yaml")  # doctest: +SKIP
        >>> print(result.evaluation.to_frame())  # doctest: +SKIP
    """
    resolved = _resolved(config)
    stages = _stages_until(resolved, until)
    progress = progress or StageProgress(console or Console(), quiet=quiet)
    source = str(config) if isinstance(config, str | Path) else "config"
    severity: Severity | None = None if asked_before(resolved) else "error"
    for problem in refuse(preflight(resolved, source, environment=severity, full=len(stages) > 1)):
        progress.say(escape(str(problem)))
    if new:
        resolved = resolved.renamed(free_name(resolved))
        progress.say(f"run directory: {resolved.folder}")
    directory = open_run(resolved, changed=True)
    with locked(directory), store_of(directory) as store:
        models = models_of(resolved, directory, store, progress)
        progress.status = models.meter.text
        context = Context(resolved, directory, models, progress)
        _adopt_changes(context)
        adopt_budget(directory, resolved.text)
        write_json(
            directory.path / "environment.json",
            describe_environment(seed_data=resolved.data_seed, seed_train=resolved.training_seed),
        )
        try:
            return _run_stages(context, stages, again=again)
        finally:
            models.release()  # adapters on servers, too


def _resolved(config: RunConfig | Resolved | str | Path) -> Resolved:
    if isinstance(config, Resolved):
        return config
    return Resolved(config) if isinstance(config, RunConfig) else Resolved.load(config)


def models_of(
    resolved: Resolved, directory: RunDirectory, store: Store, progress: StageProgress
) -> RunModels:
    """The models of a run: behind the store, within the budget, what they cost written down."""
    spending = SpendingLog(directory.spending)
    own = resolved.budget.prices
    return RunModels(
        store,
        batch_size=resolved.batch_size,
        policy=resolved.model,
        policy_server=resolved.policy_server,
        on_progress=progress.update,
        budget=Budget(resolved.budget, spending.total, spending.add),
        prices=load_prices(Path(own) if own else None),
        chat=resolved.chat,
    )


def _stages_until(resolved: Resolved, until: str) -> tuple[Stage, ...]:
    if until not in STAGE_NAMES:
        problem = Problem(
            "R002",
            "error",
            "run",
            0,
            f"no stage {until!r}",
            f"use one of: {', '.join(STAGE_NAMES)}",
        )
        raise ConfigurationError([problem])
    stages = stages_for(resolved)
    wanted = STAGE_NAMES[: STAGE_NAMES.index(until) + 1]
    places = [place for place, s in enumerate(stages) if s.name.split("/")[0] in wanted]
    if until == "pairs":  # those of round 1: later ones come after some training
        places = [p for p in places if not any("training" in s.name for s in stages[:p])]
    return stages[: places[-1] + 1]


def _run_stages(context: Context, stages: tuple[Stage, ...], *, again: bool) -> Run:
    manifest, started = context.run.manifest, time.monotonic()
    budget = context.models.budget
    before = budget.spent
    skipped: list[str] = []
    manifest.set_status("running", stages[0].name)
    stage = stages[0]
    try:
        for stage in stages:
            forced = again and stage is stages[-1]
            if not _run_stage(context, stage, forced=forced):
                skipped.append(stage.name)
            if not context.progress.quiet:
                stage.tell(context)
    except KeyboardInterrupt:
        manifest.set_status("stopped", f"{stage.name}: interrupted")
        raise
    except AnlageError as error:
        spent = budget.spent - before
        context.progress.say(_cost(spent, budget.spent, time.monotonic() - started))
        state = "stopped" if isinstance(error, BudgetError) else "failed"
        manifest.set_status(state, f"{stage.name}: {error}")
        raise
    manifest.set_status("finished", stages[-1].name)
    return Run(
        path=context.run.path,
        skipped=tuple(skipped),
        calls=context.models.calls,
        seconds=time.monotonic() - started,
        spent=budget.spent - before,
        total=budget.spent,
    )


def _cost(spent: Spending, total: Spending, seconds: float) -> str:
    now = f"{spent.calls:,} model calls, {spent.tokens:,} tokens, {spent.cost}, {seconds:.0f} s."
    return now if spent == total else f"{now} With earlier starts: {total}."


_FREE: Final = ("constitution", "report")
"""Stages that ask nothing and take no time: making them again costs nothing."""
_MODELS: Final = frozenset(("model", "critic", "comparator", "teacher"))
_OF_TRAINING: Final = ("model", "training", "selection", "layers", "conditions", "rounds")


def _adopt_changes(context: Context) -> None:
    """Lets a changed config go on with the run of its name where no finished stage depends on it.

    Raises:
        RunDirectoryError: A finished stage would come out otherwise.
    """
    run, manifest = context.run, context.run.manifest
    changed = changes(run.config_file, context.resolved.text)
    if not changed:
        return
    stages = stages_for(context.resolved)
    known = {stage.name for stage in stages}
    touched = [name for name in manifest.stages if name not in known and name not in _FREE]
    differs = False
    for stage in stages:
        record = manifest.stages.get(stage.name)
        # What comes after a stage that is made again is made again, too.
        if record is not None and not differs:
            try:
                differs = record.key != stage.key(context)
            except ModelNotFoundError:
                if _MODELS.isdisjoint(changed):
                    raise
                differs = True  # another model, which is not even here
        if record is not None and differs and stage.name not in _FREE:
            touched.append(stage.name)
    if touched:
        raise other_config(run.path, changed, touched)
    if any(name.split(".")[0] in _OF_TRAINING for name in changed):
        for unit in units_of(context.resolved):
            name = "training" if unit.layer is None else f"training/{unit.name}"
            if name not in manifest.stages and (run.path / unit.folder).is_dir():
                set_aside(run.path / unit.folder, context.progress)
    manifest.note_change(changed)
    context.progress.say(escape(f"goes on with a changed config: {', '.join(changed)}"))


def _run_stage(context: Context, stage: Stage, *, forced: bool) -> bool:
    """Runs one stage unless its result is still good. True if it ran."""
    manifest = context.run.manifest
    key = stage.key(context)
    if not forced and manifest.is_fresh(stage.name, key):
        context.progress.say(f"[dim]{stage.name:<13} unchanged[/dim]")
        return False
    if stage.name != "training":
        _refuse_several_processes(stage.name, context)
    before = manifest.stages.get(stage.name)
    if before is not None and before.version != stage.version:
        context.progress.say(
            f"{stage.name:<13} was made by another version of Anlage, which decided it by less or "
            "otherwise: made again; calls that are stored are not repeated"
        )
    manifest.forget(stage.name)
    donor = None if forced else adopt(context.run.path, stage.name, key)
    if donor is not None:
        manifest.record(stage, key, seconds=0.0, calls=0, adopted=donor)
        context.progress.say(f"[dim]{stage.name:<13} as in {donor}[/dim]")
        return False
    manifest.set_status("running", stage.name)
    started, calls = time.monotonic(), context.models.calls
    context.models.meter.begin()
    with context.progress.stage(stage.title):
        summary = stage.execute(context)
    seconds = time.monotonic() - started
    calls = context.models.calls - calls
    manifest.record(stage, key, seconds=seconds, calls=calls)
    context.progress.say(f"{stage.name:<13} {seconds:6.1f} s  {summary}")
    return True


def _refuse_several_processes(name: str, context: Context) -> None:
    """Under a launcher only training runs: every process would ask the models again."""
    from ..trainer.processes import launched

    if launched() > 1:
        raise RunDirectoryError(
            f"{context.run.path} has no finished stage `{name}`, and several processes only train. "
            "Run `anlage pairs CONFIG` in one process first, then the launcher again."
        )


def evaluate_test_split(config_file: Path, console: Console) -> Evaluation:
    """Measures base and trained model on the test twins; writes `51_evaluation_test.json`.

    Test twins are for once per release: nothing may be tuned on what this prints.

    Args:
        config_file: The run's config; stages up to training are run if they must.
        console: Where to show progress.
    """
    resolved = Resolved.load(config_file)
    done = run(resolved, until="training", quiet=False, console=console)
    directory = RunDirectory(done.path)
    progress = StageProgress(console)
    with locked(directory), open_store(directory) as store:
        models = models_of(resolved, directory, store, progress)
        with progress.stage("evaluating on the test twins"):
            result = measure(Context(resolved.on_split("test"), directory, models, progress))
        models.release()
    write_atomically(directory.path / TEST_EVALUATION, result.to_json())
    return result


def train_together(config: Path, *, again: bool = False) -> Path:
    """Trains a run's model on the pairs it has; every launched process makes this call.

    The main process holds the run directory, keeps its manifest and prints. The others
    wait until it says that there is something to train. What comes before training is
    for one process: `run` refuses it here.

    Args:
        config: A config file.
        again: Train even if nothing changed.

    Returns:
        The run directory.

    Raises:
        NotSupportedError: The run has rounds, layers or monitors.
        RunDirectoryError: The run's pairs have not been built, or it is in use.
        ConfigurationError: The config is wrong.
    """
    from ..trainer.processes import Processes
    from ..trainer.train import train

    group = Processes()
    resolved = Resolved.load(config)
    resolved.check(str(config))
    if not resolved.is_plain:
        raise NotSupportedError(
            "rounds, layers and monitors train in one process; run `anlage train` without a "
            "launcher."
        )
    folder, (unit,) = resolved.folder, units_of(resolved)
    if group.is_main:
        console = Console()
        done = run(resolved, until="training", again=again, quiet=False, console=console)
        if "training" in done.skipped:
            group.from_main(lambda: False)
    elif group.from_main(bool):
        train(
            pairs_for(resolved, unit, folder),
            model=resolved.model,
            config=resolved.training(),
            output=folder / unit.folder,
        )
    group.wait()
    return folder
