"""`train_lessons`: supervised training on whole texts, with the same frame as `train`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import Trainer

from ..errors import NotSupportedError
from ..prompts.lesson import Lesson
from .assembly import Start, adapter_config, keep_adapter_narrow, load_start, trainer_arguments
from .checkpoint import latest_complete, seal
from .claim import claim
from .conditions.fit import fit, make_watch, train_briefly
from .conditions.plan import WatchPlan, replay_sample
from .config import TrainConfig
from .guards import check_finite, memory_advice, quiet, threads
from .journal import TrainingJournal, shown
from .origin import Origin, load_weights, reference_of
from .processes import launched
from .reference import pin_reference, reference_fingerprint
from .result import FILE as RESULT_FILE
from .result import TrainedModel
from .rows import Rows, hash_lessons, lesson_rows
from .saving import save_weights
from .schedule import plan_steps


@dataclass(frozen=True, slots=True)
class _Job:
    """One training: what it works with."""

    start: Start
    rows: Rows
    config: TrainConfig
    folder: Path
    report: Callable[[str, int, int], None]
    origin: Origin | None


def train_lessons(
    lessons: Sequence[Lesson],
    *,
    model: str,
    config: TrainConfig | None = None,
    output: str | Path,
    on_progress: Callable[[int, int], None] | None = None,
    origin: Origin | None = None,
    watch: WatchPlan | None = None,
) -> TrainedModel:
    """Trains a model to write lessons: the mean negative log-likelihood of their tokens.

    Each lesson is a row of its own, whole, and its end token is trained. Resumes, writes
    and is watched as `train` is; there is no reference in the loss, but the KL divergence
    of the monitors is measured against one. One process only; of the config, `beta`,
    `soft_loss`, `sft_weight` and `share_prompts` are not used.

    Args:
        lessons: What to learn; each is one row.
        model: `smollm2-135m`, a folder or a hub id.
        config: How to train; None for the defaults.
        output: As in `train`.
        on_progress: Told (done, total) steps. None shows a bar on stderr.
        origin: An earlier training of the same base to go on from.
        watch: Monitors that look while it trains, and act.

    Raises:
        TrainingError: No lesson fits, warm-up without training, loss not finite.
        OutOfMemoryError: It does not fit.
        NotSupportedError: Started by a launcher in several processes.
        ReferenceMismatchError: `output` was begun with another model.
        RunDirectoryError: `output` was begun with other lessons or another config.
    """
    config = config or TrainConfig()
    folder, started = Path(output), time.perf_counter()
    if launched() > 1:
        raise NotSupportedError("supervised layers train in one process, without a launcher.")
    with memory_advice(config), quiet(), threads(config.threads), shown(on_progress) as report:
        start = load_start(model, config)
        rows = lesson_rows(lessons, start.tokenizer, config.max_length)
        plan_steps(len(rows.rows), config)
        base = reference_fingerprint(start.model, start.tokenizer)
        fingerprint = reference_of(base, origin)
        pin_reference(folder, fingerprint, start.base, origin.reference if origin else "")
        claim(folder, config, hash_lessons(lessons), 1, origin)
        job = _Job(start, rows, config, folder, report, origin)
        if not (folder / RESULT_FILE).exists():
            steps, seconds = _run(job, watch)
            TrainedModel(
                path=folder / config.leaves,
                method=config.method,
                base=start.base,
                reference=fingerprint,
                metrics=folder / "metrics.jsonl",
                seconds=time.perf_counter() - started,
                steps=steps,
                pairs=len(rows.rows),
                too_long=rows.too_long,
                training_seconds=seconds,
                layout="whole lessons, one a row",
            ).save(folder)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return TrainedModel.read(folder)


def _run(job: _Job, plan: WatchPlan | None) -> tuple[int, float]:
    """Trains and saves the weights; steps taken and seconds."""
    rows, config, folder, origin = job.rows.rows, job.config, job.folder, job.origin
    checkpoints = folder / "checkpoints"
    trainer = _make_trainer(job.start, rows, config, checkpoints)
    moved = origin is not None and origin.reference == "previous"
    if origin is not None and moved:
        load_weights(trainer.model, origin.weights)
    watch = None
    if plan is not None:
        steps = plan_steps(len(rows), config)
        watch = make_watch(plan, trainer, job.start.tokenizer, folder, steps)
    if origin is not None and not moved:
        load_weights(trainer.model, origin.weights)
    if watch is not None:
        watch.begin()
    last = latest_complete(checkpoints)
    journal = TrainingJournal(
        folder / "metrics.jsonl",
        last[1] if last else 0,
        lambda done, total: job.report("training", done, total),
    )
    began = time.perf_counter()
    fit(trainer, journal, checkpoints, watch, lambda modes: _replay(job, plan, trainer, modes))
    seconds = time.perf_counter() - began
    save_weights(trainer, job.start.tokenizer, folder / config.leaves)
    return int(trainer.state.global_step), seconds


def _replay(job: _Job, plan: WatchPlan | None, trainer: Any, modes: Sequence[str]) -> None:
    """Trains on earlier lessons of some failure modes."""
    from datasets import Dataset

    assert plan is not None
    lessons = replay_sample(plan.pool, modes, plan.settings.replay_rows, job.config.seed)
    rows = lesson_rows(lessons, job.start.tokenizer, job.config.max_length).rows
    rate = job.config.learning_rate * plan.settings.rate_factor
    train_briefly(trainer, Dataset.from_list(list(rows)), rate)


class LessonTrainer(Trainer):
    """Seals its checkpoints, and stops at a loss that is not finite unless it is watched."""

    watched = False

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """As `Trainer.compute_loss`."""
        loss: Any = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        check_finite(self, loss[0] if return_outputs else loss)
        return loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        seal(str(self.args.output_dir), self.state.global_step)


def _make_trainer(
    start: Start, rows: Sequence[dict[str, Any]], config: TrainConfig, folder: Path
) -> Any:
    """Transformers' trainer, with a fresh adapter where the method is one."""
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import DataCollatorForSeq2Seq, TrainingArguments, set_seed
    from transformers.trainer_callback import PrinterCallback

    if start.tokenizer.pad_token is None:
        start.tokenizer.pad_token = start.tokenizer.eos_token
    set_seed(config.seed)
    model = get_peft_model(start.model, adapter_config(config)) if config.adapts else start.model
    trainer = LessonTrainer(
        model=model,
        args=TrainingArguments(**trainer_arguments(config, folder)),
        # Pads by length: an end token that is also the padding token stays trained.
        data_collator=DataCollatorForSeq2Seq(start.tokenizer, label_pad_token_id=-100),
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=start.tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    keep_adapter_narrow(trainer.model, config)
    return trainer
