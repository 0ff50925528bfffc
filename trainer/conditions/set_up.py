"""From a plan and a trainer to monitors that are ready to look."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .instruments import Instruments
from .labelled_rows import labelled_rows
from .memory import WatchMemory
from .plan import WatchPlan
from .watch import Watch


def make_watch(
    plan: WatchPlan,
    trainer: Any,
    tokenizer: Any,
    folder: Path,
    steps: int,
    rows: Sequence[Mapping[str, Any]] = (),
) -> Watch:
    """Monitors for a trainer whose model stands where its reference does.

    Args:
        plan: What to watch for.
        trainer: The trainer, not yet started.
        tokenizer: The model's.
        folder: The training's.
        steps: Optimizer steps of the whole training.
        rows: Tokenized training pairs; () for a layer without pairs.
    """
    settings = plan.settings
    # The monitors keep and remove checkpoints themselves: the last good one must stay.
    trainer.args.save_total_limit = None
    trainer.watched = True
    generator = random.Random(trainer.args.seed)  # noqa: S311
    sentinels = generator.sample(list(rows), min(settings.sentinels, len(rows)))
    instruments = Instruments(
        trainer,
        tokenizer,
        labelled_rows(plan.labelled, tokenizer, settings.check_pairs),
        settings.anchors,
        sentinels,
    )
    instruments.pin_reference()
    folder.mkdir(parents=True, exist_ok=True)
    memory = WatchMemory(folder, plan.label)
    return Watch(plan, instruments, memory, folder / "checkpoints", steps)
