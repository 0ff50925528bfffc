"""`train`: preference pairs in, a trained model on disk out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..cache import Store
from ..errors import OutOfMemoryError, StoreError
from ..preferences.pair import Pair
from .assembly import Start, load_start, make_trainer, plan_steps
from .checkpoint import latest_complete
from .claim import claim
from .config import TrainConfig
from .layout import choose_layout
from .processes import Processes, launched
from .progress import TrainingJournal, shown, stop_at_step_end
from .quiet import quiet, threads
from .reference import attach_reference_logps, pin_reference, reference_fingerprint
from .result import FILE as RESULT_FILE
from .result import TrainedModel
from .rows import Rows, hash_pairs, load_pairs, tokenize
from .saving import save_weights

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
    group = Processes()
    told = on_progress if group.is_main else _silent
    try:
        with quiet(), threads(config.threads), shown(told) as report:
            start = group.main_first(lambda: load_start(model, config))
            rows = tokenize(found, start.tokenizer, config.max_length)
            plan_steps(len(rows.rows), config, group.count)
            fingerprint = reference_fingerprint(start.model, start.tokenizer)
            if group.is_main:
                pin_reference(folder, fingerprint, start.base)
                claim(folder, config, hash_pairs(found), group.count)
            if not group.from_main((folder / RESULT_FILE).exists):
                done = _run(start, rows, config, folder, fingerprint, store, report, group)
                if group.is_main:
                    _save_result(folder, start, rows, config, fingerprint, done, started)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemoryError(
            f"training does not fit into memory. Lower batch_size (now {config.batch_size}) and "
            f"raise gradient_accumulation (now {config.gradient_accumulation}) by the same "
            "factor, lower max_length, or use method lora."
        ) from error
    if group.is_main:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    group.wait()
    return TrainedModel.read(folder)


def _silent(done: int, total: int) -> None:
    """Progress of a process that is not the main one."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What `_run` has to say of itself."""

    steps: int
    layout: str
    reference_seconds: float
    training_seconds: float


def _run(
    start: Start,
    rows: Rows,
    config: TrainConfig,
    folder: Path,
    fingerprint: str,
    store: Store | None,
    report: _Report,
    group: Processes,
) -> _Done:
    """Reference pass and training; saves the weights."""
    from datasets import Dataset

    checkpoints = folder / "checkpoints"
    trainer = make_trainer(start, rows.rows, config, checkpoints)
    layout = "plain batches: share_prompts is off"
    if config.share_prompts:
        per_row = config.pairs_per_row
        layout = choose_layout(trainer, rows.rows, pairs_per_row=per_row, processes=group)
    began = time.perf_counter()
    complete = _referred(trainer, rows, folder, fingerprint, store, report, group)
    trainer.train_dataset = Dataset.from_list(complete)
    referred = time.perf_counter()
    last = group.from_main(lambda: latest_complete(checkpoints))
    journal = TrainingJournal(
        folder / "metrics.jsonl",
        last[1] if last else 0,
        lambda n, of: report("training", n, of),
        group,
    )
    trainer.add_callback(journal)
    with stop_at_step_end(journal):
        try:
            trainer.train(resume_from_checkpoint=str(last[0]) if last else None)
        except OSError as error:
            raise StoreError(
                f"a checkpoint cannot be written to {checkpoints}: {error}. Free some disk space, "
                "then run the same command again: it goes on from the last whole one."
            ) from error
    trained = time.perf_counter()
    save_weights(trainer, start.tokenizer, folder / config.leaves)
    steps = int(trainer.state.global_step)
    return _Done(steps, layout, referred - began, trained - referred)


def _referred(
    trainer: Any,
    rows: Rows,
    folder: Path,
    fingerprint: str,
    store: Store | None,
    report: _Report,
    group: Processes,
) -> list[dict[str, Any]]:
    """The rows with the reference's log-probs; the main process keeps them on disk."""

    def told(done: int, total: int) -> None:
        report("reference", done, total)

    if not group.is_main:
        return attach_reference_logps(trainer, rows.rows, fingerprint, None, told, group)
    values = store or Store(folder / "reference.sqlite")
    try:
        return attach_reference_logps(trainer, rows.rows, fingerprint, values, told, group)
    finally:
        if store is None:
            values.close()


def _save_result(
    folder: Path,
    start: Start,
    rows: Rows,
    config: TrainConfig,
    fingerprint: str,
    done: _Done,
    started: float,
) -> None:
    result = TrainedModel(
        path=folder / config.leaves,
        method=config.method,
        base=start.base,
        reference=fingerprint,
        metrics=folder / "metrics.jsonl",
        seconds=time.perf_counter() - started,
        steps=done.steps,
        pairs=len(rows.rows),
        too_long=rows.too_long,
        reference_seconds=done.reference_seconds,
        training_seconds=done.training_seconds,
        layout=done.layout,
    )
    result.save(folder)
