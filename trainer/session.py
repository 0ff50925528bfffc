"""One training from the claim of its folder to its saved weights: of pairs or of lessons."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..errors import OtherTrainingError, RunDirectoryError, StoreError
from .assembly import Start, compute_dtype, load_start
from .checkpoint import latest_complete, write_json
from .checks.model_fit import check_ids
from .conditions.fit import fit, make_watch, train_briefly
from .conditions.journal import WatchPlan, replay_sample
from .config import NOT_PART_OF_THE_RESULT, TrainConfig
from .guards import memory_advice, quiet, threads
from .journal import TrainingJournal, shown
from .logps import causal_model
from .origin import Origin, as_reference, load_weights, reference_of
from .processes import Processes
from .reference import pin_reference, reference_fingerprint
from .result import FILE as RESULT_FILE
from .result import TrainedModel
from .rows import Rows, hash_rows
from .schedule import RatePlan, plan_steps
from .shared_prefix import use_attention

if TYPE_CHECKING:
    from transformers import PreTrainedModel


_Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One training: what it works with.

    Attributes:
        start: Model and tokenizer.
        rows: What is trained on.
        config: How.
        folder: Where everything is written.
        fingerprint: Of the reference.
        report: Told what is done, how much of it, and of how much.
        group: The processes that share the training.
        origin: The earlier training it goes on from; None for the model itself.
    """

    start: Start
    rows: Rows
    config: TrainConfig
    folder: Path
    fingerprint: str
    report: _Report
    group: Processes
    origin: Origin | None


class Recipe(Protocol):
    """What pairs and lessons do each in their own way."""

    refers: ClassVar[bool]
    """Whether the loss compares with a reference, so that each row needs its log-probs."""

    def tokenize(self, data: Sequence[Any], start: Start, max_length: int) -> Rows:
        """Data -> rows of token ids that the model has positions for."""

    def hash(self, data: Sequence[Any]) -> str:
        """SHA-256 (hex) over everything of the data that reaches the loss."""

    def make_trainer(
        self, start: Start, rows: Sequence[dict[str, Any]], config: TrainConfig, folder: Path
    ) -> Any:
        """The trainer; `folder` is for its checkpoints."""

    def layout(self, job: Job, trainer: Any) -> str:
        """Chooses how batches are laid out, and says it."""

    def complete(
        self, job: Job, trainer: Any, rows: Sequence[dict[str, Any]], *, as_it_stands: bool
    ) -> list[dict[str, Any]]:
        """The rows with what the reference says of them.

        `as_it_stands`: the reference is the model with its adapter on.
        """


def run_session(
    recipe: Recipe,
    data: Sequence[Any],
    *,
    model: str | PreTrainedModel,
    config: TrainConfig,
    output: str | Path,
    on_progress: Callable[[int, int], None] | None,
    origin: Origin | None,
    watch: WatchPlan | None,
) -> TrainedModel:
    """Trains, or goes on from the last whole checkpoint, or returns what is finished.

    Raises:
        TrainingError: No data fit, warm-up without training, loss not finite.
        ReferenceMismatchError: `output` was begun with another model.
        RunDirectoryError: `output` was begun with other data or another config.
        OutOfMemoryError: It does not fit.
    """
    folder, started = Path(output), time.perf_counter()
    group = Processes()
    told = on_progress if group.is_main else _silent
    with memory_advice(config), quiet(), threads(config.threads), shown(told) as report:
        start = group.main_first(lambda: load_start(model, config))
        rows = recipe.tokenize(data, start, config.max_length)
        check_ids(rows.rows, start.model)
        plan_steps(len(rows.rows), config, group.count)
        fingerprint = reference_of(reference_fingerprint(start.model, start.tokenizer), origin)
        if group.is_main:
            pin_reference(folder, fingerprint, start.base, origin.reference if origin else "")
            ids = hash_rows(rows.rows)
            claim(folder, config, recipe.hash(data), ids, group.count, origin)
        job = Job(start, rows, config, folder, fingerprint, report, group, origin)
        if not group.from_main((folder / RESULT_FILE).exists):
            done = _run(recipe, job, watch)
            if group.is_main:
                _save_result(job, done, started)
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


def _run(recipe: Recipe, job: Job, plan: WatchPlan | None) -> _Done:
    """Reference pass and training; saves the weights."""
    from datasets import Dataset

    rows, config, folder, origin = job.rows.rows, job.config, job.folder, job.origin
    checkpoints = folder / "checkpoints"
    trainer = recipe.make_trainer(job.start, rows, config, checkpoints)
    steps = plan_steps(len(rows), config, job.group.count)
    if config.max_steps:  # at most: transformers would go on beyond the epochs
        trainer.args.max_steps = steps
    layout = recipe.layout(job, trainer)
    began = time.perf_counter()
    moved = origin is not None and origin.reference == "previous"
    if origin is not None and moved:
        load_weights(trainer.model, origin.weights)
    complete = recipe.complete(job, trainer, rows, as_it_stands=moved)
    trainer.train_dataset = Dataset.from_list(complete)
    watch = None
    if plan is not None:
        pairs = complete if recipe.refers else ()
        rates = RatePlan.of(steps, config)
        watch = make_watch(plan, trainer, job.start.tokenizer, folder, rates, pairs)
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
    replay = None if plan is None else _replayer(recipe, job, plan, trainer)
    fit(trainer, journal, checkpoints, watch, replay)
    trained = time.perf_counter()
    save_weights(trainer, job.start.tokenizer, folder / config.leaves)
    reference_seconds = referred - began if recipe.refers else 0.0
    return _Done(int(trainer.state.global_step), layout, reference_seconds, trained - referred)


def _replayer(
    recipe: Recipe, job: Job, plan: WatchPlan, trainer: Any
) -> Callable[[Sequence[str]], None]:
    """Trains on earlier data of some failure modes against the same reference."""
    from datasets import Dataset

    def replay(modes: Sequence[str]) -> None:
        data = replay_sample(plan.pool, modes, plan.settings.replay_rows, job.config.seed)
        rows = recipe.tokenize(data, job.start, job.config.max_length).rows
        held_to = as_reference(trainer.model, job.origin, job.start.base)
        with held_to if recipe.refers else nullcontext():
            complete = recipe.complete(job, trainer, rows, as_it_stands=True)
        rate = job.config.learning_rate * plan.settings.rate_factor
        train_briefly(trainer, Dataset.from_list(complete), rate)

    return replay


def _save_result(job: Job, done: _Done, started: float) -> None:
    TrainedModel(
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
    ).save(job.folder)


def claim(
    folder: Path,
    config: TrainConfig,
    pairs_hash: str,
    ids_hash: str,
    processes: int,
    origin: Origin | None = None,
) -> None:
    """Writes what a folder trains, or refuses if it trains something else.

    Args:
        folder: The training's.
        config: How it trains; what is not part of the result may differ.
        pairs_hash: Of the pairs (`rows.hash_pairs`).
        ids_hash: Of the rows they became (`rows.hash_rows`): equal texts may be other tokens
            under another version of a library, or a template that looks at the clock.
        processes: Those that share it.
        origin: The earlier training it goes on from; None for the base.

    Raises:
        RunDirectoryError: The folder was begun with something else, which is named.
        StoreError: The file cannot be written.
    """
    path = folder / "training.json"
    settings = config.model_dump(mode="json", exclude=set(NOT_PART_OF_THE_RESULT))
    # "auto" is another training on other hardware.
    settings["dtype"] = str(compute_dtype(config)).removeprefix("torch.")
    settings["processes"] = processes
    wanted: dict[str, object] = {"config": settings, "pairs": pairs_hash, "ids": ids_hash}
    if origin is not None:
        wanted["origin"] = [origin.fingerprint, origin.reference]
    if not path.exists():
        write_json(path, wanted)
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        was = {"processes": 1, **before["config"]}
        other = [name for name in settings if was.get(name) != settings[name]]
        other += ["pairs"] if before["pairs"] != pairs_hash else []
        # What an earlier version began does not say which ids it trained on.
        other += ["token ids"] if before.get("ids", ids_hash) != ids_hash else []
        other += ["origin"] if before.get("origin") != wanted.get("origin") else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunDirectoryError(
            f"{path} cannot be read ({error}); give an empty folder."
        ) from error
    if other:
        raise OtherTrainingError(
            f"{folder} holds a training that differs in: {', '.join(other)}. Give another "
            "folder, or the first settings and pairs to go on with it.",
            tuple(other),
        )


def save_weights(trainer: Any, tokenizer: Any, target: Path) -> None:
    """Saves adapter or model as safetensors, then takes a fresh adapter off again.

    Called by every process; where the weights are split over them, they are put
    together first, and the main process writes.

    Args:
        trainer: The trainer, done.
        tokenizer: Saved beside a whole model.
        target: The folder. What a killed call left there is replaced.

    Raises:
        StoreError: It cannot be written.
    """
    whole = None
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        whole = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    adapted = hasattr(trainer.model, "peft_config")
    if trainer.accelerator.is_main_process:
        try:
            _write(trainer.model, tokenizer if not adapted else None, whole, target)
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error}. Free some disk space.") from error
    _as_before(trainer)
    trainer.accelerator.wait_for_everyone()


def _write(model: Any, tokenizer: Any | None, whole: dict[str, Any] | None, target: Path) -> None:
    temporary = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)  # of a call killed before result.json
    options: dict[str, Any] = {} if whole is None else {"state_dict": whole}
    if tokenizer is None:
        options["save_embedding_layers"] = False
    model.save_pretrained(str(temporary), **options)
    if tokenizer is not None:
        tokenizer.save_pretrained(str(temporary))
    temporary.rename(target)


def _as_before(trainer: Any) -> None:
    """Gives a model that came from memory back without adapter, checkpointing and FlexAttention."""
    model = trainer.model
    own = getattr(trainer, "attention_before", "")  # a trainer of lessons has none
    if own:
        use_attention(causal_model(trainer), own)
    if trainer.args.gradient_checkpointing:
        model.gradient_checkpointing_disable()
        if hasattr(model, "disable_input_require_grads"):
            model.disable_input_require_grads()
    if hasattr(model, "peft_config"):
        model.unload()
