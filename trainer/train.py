"""`train`: preference pairs in, a trained model on disk out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import NotSupportedError
from ..preferences.pair import Pair
from ..store.store import Store
from .assembly import Start, make_trainer
from .checks.preflight import refuse_contradictions
from .conditions.journal import WatchPlan
from .config import TrainConfig
from .logps import choose_layout, refuse_noise
from .origin import Origin
from .processes import launched
from .reference import attach_reference_logps
from .result import TrainedModel
from .rows import Rows, hash_pairs, load_pairs, positions_of, tokenize
from .schedule import plan_steps
from .session import Job, run_session

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ..preferences.dataset import Table


def train(
    pairs: Sequence[Pair] | Table,
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
        pairs: Pairs, a JSONL file of them, or preference data of any usual form: a data set,
            a data frame, rows, a parquet file (see `Pairs.from_dataset`).
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
        TrainingError: No pairs, all too long, two equal or contradicting answers, tokens the
            model has no embedding for, warm-up without training, loss not finite.
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
    found = load_pairs(pairs)
    refuse_contradictions(found)
    plan_steps(len(found), config, launched())  # before anything is loaded
    if watch is not None and launched() > 1:
        raise NotSupportedError("monitors work in one process; train without `accelerate launch`.")
    if watch is not None and config.method == "full" and not isinstance(model, str):
        raise NotSupportedError(
            "monitors read the reference of a fully trained model by its name, and a model in "
            "memory need not be what its name says; give the model by name, or use method lora."
        )
    return run_session(
        _Pairs(store),
        found,
        model=model,
        config=config,
        output=output,
        on_progress=on_progress,
        origin=origin,
        watch=watch,
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """How pairs are trained on.

    Attributes:
        store: Where reference log-probs are kept; None for a file in the training's folder.
    """

    store: Store | None
    refers: ClassVar[bool] = True

    def tokenize(self, data: Sequence[Pair], start: Start, max_length: int) -> Rows:
        return tokenize(data, start.tokenizer, max_length, positions_of(start.model.config))

    def hash(self, data: Sequence[Pair]) -> str:
        return hash_pairs(data)

    def make_trainer(
        self, start: Start, rows: Sequence[dict[str, Any]], config: TrainConfig, folder: Path
    ) -> Any:
        return make_trainer(start, rows, config, folder)

    def layout(self, job: Job, trainer: Any) -> str:
        if job.config.dropout == 0:
            refuse_noise(trainer, job.rows.rows)
        if not job.config.share_prompts:
            return "plain batches: share_prompts is off"
        per_row = job.config.pairs_per_row
        return choose_layout(trainer, job.rows.rows, pairs_per_row=per_row, processes=job.group)

    def complete(
        self, job: Job, trainer: Any, rows: Sequence[dict[str, Any]], *, as_it_stands: bool
    ) -> list[dict[str, Any]]:
        """The rows with the reference's log-probs; the main process keeps them on disk."""

        def told(done: int, total: int) -> None:
            job.report("reference", done, total)

        def attached(store: Store | None) -> list[dict[str, Any]]:
            return attach_reference_logps(
                trainer, rows, job.fingerprint, store, told, job.group, as_it_stands=as_it_stands
            )

        if not job.group.is_main or self.store is not None:
            return attached(self.store if job.group.is_main else None)
        with Store(job.folder / "reference.sqlite") as store:
            return attached(store)
