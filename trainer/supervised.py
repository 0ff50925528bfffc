"""`train_lessons`: supervised training on whole texts, with the same frame as `train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from transformers import Trainer

from ..errors import NotSupportedError
from ..prompts.lessons import Lesson
from .assembly import Start, adapter_config, keep_adapter_narrow, trainer_arguments
from .checkpoint import seal
from .checks.model_fit import ensure_padding
from .conditions.journal import WatchPlan
from .config import TrainConfig
from .guards import check_finite
from .origin import Origin
from .processes import launched
from .result import TrainedModel
from .rows import Rows, hash_lessons, lesson_rows, positions_of
from .session import Job, run_session


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
    if launched() > 1:
        raise NotSupportedError("supervised layers train in one process, without a launcher.")
    return run_session(
        _Lessons(),
        lessons,
        model=model,
        config=config or TrainConfig(),
        output=output,
        on_progress=on_progress,
        origin=origin,
        watch=watch,
    )


@dataclass(frozen=True, slots=True)
class _Lessons:
    """How lessons are trained on."""

    refers: ClassVar[bool] = False

    def tokenize(self, data: Sequence[Lesson], start: Start, max_length: int) -> Rows:
        return lesson_rows(data, start.tokenizer, max_length, positions_of(start.model.config))

    def hash(self, data: Sequence[Lesson]) -> str:
        return hash_lessons(data)

    def make_trainer(
        self, start: Start, rows: Sequence[dict[str, Any]], config: TrainConfig, folder: Path
    ) -> Any:
        """Transformers' trainer, with a fresh adapter where the method is one."""
        from datasets import Dataset
        from peft import get_peft_model
        from transformers import DataCollatorForSeq2Seq, TrainingArguments, set_seed
        from transformers.trainer_callback import PrinterCallback

        ensure_padding(start.tokenizer, start.model)
        set_seed(config.seed)
        model = (
            get_peft_model(start.model, adapter_config(config, start.model))
            if config.adapts
            else start.model
        )
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

    def layout(self, job: Job, trainer: Any) -> str:
        return "whole lessons, one a row"

    def complete(
        self, job: Job, trainer: Any, rows: Sequence[dict[str, Any]], *, as_it_stands: bool
    ) -> list[dict[str, Any]]:
        return list(rows)


class LessonTrainer(Trainer):
    """Seals its checkpoints, and stops at a loss that is not finite unless it is watched."""

    watched = False

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """As `Trainer.compute_loss`."""
        loss: Any = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        check_finite(self, loss[0] if return_outputs else loss)
        return loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        seal(str(self.args.output_dir), self.state.global_step)
