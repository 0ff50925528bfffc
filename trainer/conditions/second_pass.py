"""A short training on other data with the same trainer, in the middle of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers.trainer_utils import SaveStrategy

from ..journal import TrainingJournal
from .watch import Watch


def train_briefly(trainer: Any, rows: Any, rate: float) -> None:
    """Trains the trainer's model once through some rows at a constant rate.

    The optimizer is a fresh one; nothing is written, and no monitor looks, but a step
    that is not finite still raises. Afterwards the trainer is as it was, its model apart.

    Args:
        trainer: A trainer of transformers that is not training now.
        rows: The data set.
        rate: Learning rate.
    """
    before = dict(vars(trainer.args))
    data, watched = trainer.train_dataset, getattr(trainer, "watched", False)
    silent = _without(trainer, (TrainingJournal, Watch))
    changes = {
        "num_train_epochs": 1,
        "max_steps": -1,
        "learning_rate": rate,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "save_strategy": SaveStrategy.NO,
    }
    try:
        for name, value in changes.items():
            setattr(trainer.args, name, value)
        trainer.train_dataset, trainer.watched = rows, False
        trainer.optimizer = trainer.lr_scheduler = None
        trainer.train()
    finally:
        for name in changes:
            setattr(trainer.args, name, before[name])
        trainer.train_dataset, trainer.watched = data, watched
        trainer.optimizer = trainer.lr_scheduler = None
        for callback in silent:
            trainer.add_callback(callback)


def _without(trainer: Any, kinds: tuple[type, ...]) -> Sequence[Any]:
    """Takes callbacks of some kinds off and returns them."""
    found = [c for c in trainer.callback_handler.callbacks if isinstance(c, kinds)]
    for callback in found:
        trainer.remove_callback(callback)
    return found
