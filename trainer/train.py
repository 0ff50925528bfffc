"""`train`: preference pairs in, a trained model on disk out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NotSupportedError
from ..preferences.pair import Pair
from ..store.store import Store
from .assembly import Start, load_start, make_trainer
from .checkpoint import latest_complete
from .claim import claim
from .conditions.fit import fit, make_watch, train_briefly
from .conditions.plan import WatchPlan, replay_sample
from .config import TrainConfig
from .guards import memory_advice, quiet, threads
from .journal import TrainingJournal, shown
from .layout import choose_layout
from .origin import Origin, as_reference, load_weights, reference_of
from .processes import Processes, launched
from .reference import attach_reference_logps, pin_reference, reference_fingerprint
from .result import FILE as RESULT_FILE
from .result import TrainedModel
from .rows import Rows, hash_pairs, load_pairs, tokenize
from .saving import save_weights
from .schedule import plan_steps

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

_Report = Callable[[str, int, int], None]


def train(
    pairs: Sequence[Pair] | Dataset | str | Path,
    *,
    model: str | PreTrainedModel,
    config: TrainConfig | None = None,
    output: str | Path,
    store: Store | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    origin: Origin | None = None,
    watch: WatchPlan | None = None,
) -> TrainedModel:
    """Trains a model on preference pairs with DPO against a pinned reference.

    Each pair's `p_chosen` and `weight` are in the loss (`soft_dpo.soft_dpo_loss`).
    The same call again goes on from the last whole checkpoint, to the same weights
    as if it had not been stopped (bit for bit on one machine with the same
    threads); once finished it returns the result without training. Random choices
    follow `config.seed`.

    Under `accelerate launch` every process makes this same call: each takes its part of
    every batch, and the main one writes files and shows progress. A model in memory is
    wrapped in place while it trains and, with method `lora`, is the unchanged base again
    afterwards; one that already carries an adapter is refused: merge it first
    (`model.merge_and_unload()`), so that the reference is the model as it stands.
    Not covered: validation pairs.

    Args:
        pairs: Pairs, a data set with prompt, chosen and rejected, or a JSONL file.
        model: `smollm2-135m`, a folder, a hub id, or a model in memory.
        config: How to train; None for the defaults.
        output: Folder for `adapter/` (or `model/`), `metrics.jsonl`,
            `reference.json`, `training.json`, `result.json` and, meanwhile, `checkpoints/`.
        store: Where reference log-probs are kept for other trainings too; None
            keeps them in `output`.
        on_progress: Told (done, total): first pairs of the reference pass, then
            steps. None shows a bar on stderr.
        origin: An earlier training of the same base to go on from, and what the
            reference is; None starts from the model itself.
        watch: Monitors that look while it trains, and act (`trainer/conditions`); None
            trains without. One process only.

    Returns:
        Where the result is, and what it took.

    Raises:
        PairError: The pairs cannot be read.
        TrainingError: No pairs, all too long, warm-up without training, loss not finite.
        ModelNotFoundError: No such model.
        ReferenceMismatchError: `output` was begun with another model.
        RunDirectoryError: `output` was begun with other pairs or another config.
        OutOfMemoryError: It does not fit.
        StoreError: Something cannot be written.

    Example:
        >>> trained = train("runs/demo/30_pairs.jsonl", model="smollm2-135m",
        ...                 output="runs/demo/40_training")  # doctest: +SKIP
        >>> trained.load()  # doctest: +SKIP
    """
    config = config or TrainConfig()
    folder = Path(output)
    started = time.perf_counter()
    found = load_pairs(pairs)
    plan_steps(len(found), config, launched())  # before anything is loaded
    if watch is not None and launched() > 1:
        raise NotSupportedError("monitors work in one process; train without `accelerate launch`.")
    if watch is not None and config.method == "full" and not isinstance(model, str):
        raise NotSupportedError(
            "monitors read the reference of a fully trained model by its name, and a model in "
            "memory need not be what its name says; give the model by name, or use method lora."
        )
    group = Processes()
    told = on_progress if group.is_main else _silent
    with memory_advice(config), quiet(), threads(config.threads), shown(told) as report:
        start = group.main_first(lambda: load_start(model, config))
        rows = tokenize(found, start.tokenizer, config.max_length)
        plan_steps(len(rows.rows), config, group.count)
        fingerprint = reference_of(reference_fingerprint(start.model, start.tokenizer), origin)
        if group.is_main:
            kind = origin.reference if origin else ""
            pin_reference(folder, fingerprint, start.base, kind)
            claim(folder, config, hash_pairs(found), group.count, origin)
        job = _Job(start, rows, config, folder, fingerprint, store, report, group, origin)
        if not group.from_main((folder / RESULT_FILE).exists):
            done = _run(job, watch)
            if group.is_main:
                _save_result(job, done, started)
    if group.is_main:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    group.wait()
    return TrainedModel.read(folder)


def _silent(done: int, total: int) -> None:
    """Progress of a process that is not the main one."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One training: what it works with."""

    start: Start
    rows: Rows
    config: TrainConfig
    folder: Path
    fingerprint: str
    store: Store | None
    report: _Report
    group: Processes
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class _Done:
    """What `_run` has to say of itself."""

    steps: int
    layout: str
    reference_seconds: float
    training_seconds: float


def _run(job: _Job, plan: WatchPlan | None) -> _Done:
    """Reference pass and training; saves the weights."""
    from datasets import Dataset

    rows, config, folder, origin = job.rows.rows, job.config, job.folder, job.origin
    checkpoints = folder / "checkpoints"
    trainer = make_trainer(job.start, rows, config, checkpoints)
    layout = "plain batches: share_prompts is off"
    if config.share_prompts:
        per_row = config.pairs_per_row
        layout = choose_layout(trainer, rows, pairs_per_row=per_row, processes=job.group)
    began = time.perf_counter()
    moved = origin is not None and origin.reference == "previous"
    if origin is not None and moved:
        load_weights(trainer.model, origin.weights)
    complete = _referred(trainer, rows, job, as_it_stands=moved)
    trainer.train_dataset = Dataset.from_list(complete)
    steps = plan_steps(len(rows), config, job.group.count)
    watch = None
    if plan is not None:
        watch = make_watch(plan, trainer, job.start.tokenizer, folder, steps, complete)
    if origin is not None and not moved:
        load_weights(trainer.model, origin.weights)
    if watch is not None:
        watch.begin()
    referred = time.perf_counter()
    last = job.group.from_main(lambda: latest_complete(checkpoints))
    journal = TrainingJournal(
        folder / "metrics.jsonl",
        last[1] if last else 0,
        lambda n, of: job.report("training", n, of),
        job.group,
    )
    fit(trainer, journal, checkpoints, watch, lambda modes: _replay(job, plan, trainer, modes))
    trained = time.perf_counter()
    save_weights(trainer, job.start.tokenizer, folder / config.leaves)
    return _Done(int(trainer.state.global_step), layout, referred - began, trained - referred)


def _replay(job: _Job, plan: WatchPlan | None, trainer: Any, modes: Sequence[str]) -> None:
    """Trains on earlier pairs of some failure modes against the same reference."""
    from datasets import Dataset

    assert plan is not None
    pairs = replay_sample(plan.pool, modes, plan.settings.replay_rows, job.config.seed)
    rows = tokenize(pairs, job.start.tokenizer, job.config.max_length).rows
    with as_reference(trainer.model, job.origin, job.start.base):
        complete = _referred(trainer, rows, job, as_it_stands=True)
    rate = job.config.learning_rate * plan.settings.rate_factor
    train_briefly(trainer, Dataset.from_list(complete), rate)


def _referred(
    trainer: Any, rows: Sequence[dict[str, Any]], job: _Job, *, as_it_stands: bool
) -> list[dict[str, Any]]:
    """The rows with the reference's log-probs; the main process keeps them on disk."""

    def told(done: int, total: int) -> None:
        job.report("reference", done, total)

    def attached(store: Store | None) -> list[dict[str, Any]]:
        return attach_reference_logps(
            trainer, rows, job.fingerprint, store, told, job.group, as_it_stands=as_it_stands
        )

    if not job.group.is_main or job.store is not None:
        return attached(job.store if job.group.is_main else None)
    with Store(job.folder / "reference.sqlite") as store:
        return attached(store)


def _save_result(job: _Job, done: _Done, started: float) -> None:
    result = TrainedModel(
        path=job.folder / job.config.leaves,
        method=job.config.method,
        base=job.start.base,
        reference=job.fingerprint,
        metrics=job.folder / "metrics.jsonl",
        seconds=time.perf_counter() - started,
        steps=done.steps,
        pairs=len(job.rows.rows),
        too_long=job.rows.too_long,
        reference_seconds=done.reference_seconds,
        training_seconds=done.training_seconds,
        layout=done.layout,
    )
    result.save(job.folder)
