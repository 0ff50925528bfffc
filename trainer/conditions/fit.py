"""Training from its start, or from where a kill left it, to its end: with what monitors order."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.trainer_utils import SaveStrategy, set_seed

from ...errors import StoreError
from ..checkpoint import latest_complete, seal
from ..journal import TrainingJournal, stop_at_step_end
from ..origin import load_weights, put_back, trained_weights
from ..schedule import RatePlan
from .instruments import Instruments, labelled_rows
from .journal import WatchMemory, WatchPlan
from .watch import Replay, Rollback, Watch

UNDONE = "metrics_undone.jsonl"
Replayer = Callable[[Sequence[str]], None]
"""Trains the model in place on earlier data of some failure modes; () for all."""


def fit(
    trainer: Any,
    journal: TrainingJournal,
    checkpoints: Path,
    watch: Watch | None = None,
    replayer: Replayer | None = None,
) -> None:
    """Trains to the end; the trainer's model then holds the result.

    Args:
        trainer: A trainer of transformers, its data complete.
        journal: Its journal, already cut to the newest whole checkpoint.
        checkpoints: Folder of its checkpoints.
        watch: The monitors; None trains without.
        replayer: Does what a `replay` orders.

    Raises:
        StoreError: A checkpoint cannot be written.
    """
    trainer.add_callback(journal)
    if watch is None:
        last = latest_complete(checkpoints)
        _train(trainer, journal, checkpoints, last[0] if last else None)
        return
    start, random_state = trained_weights(trainer.model), RandomState()
    trainer.add_callback(watch)
    state = watch.memory.state
    while True:
        last = latest_complete(checkpoints)
        step = last[1] if last else 0
        if state.ended:
            _restore(trainer, start, last[0] if last else None)
            trainer.state.global_step = step
            watch.finish(step)
            if state.undone and watch.give_up_if_injured(step):
                continue
            return
        if state.replaying is not None and replayer is not None and last is not None:
            _replay(trainer, watch, replayer, last[0], step)
        try:
            _train(trainer, journal, checkpoints, last[0] if last else None)
            if not state.ended:
                watch.finish(int(trainer.state.global_step))
                return
        except Rollback:
            _go_back(trainer, journal, watch, checkpoints, start)
            if latest_complete(checkpoints) is None:  # a checkpoint holds its own
                random_state.restore()
        except Replay:
            pass
        if journal.stop_requested:
            raise KeyboardInterrupt


class RandomState:
    """The generators of random numbers as they stand when it is made."""

    def __init__(self) -> None:
        self._python, self._numpy = random.getstate(), np.random.get_state()
        self._torch = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def restore(self) -> None:
        """Sets them back: what follows draws the same numbers again."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        torch.set_rng_state(self._torch)
        if self._cuda:
            torch.cuda.set_rng_state_all(self._cuda)


def _train(trainer: Any, journal: TrainingJournal, checkpoints: Path, last: Path | None) -> None:
    with stop_at_step_end(journal):
        try:
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        except OSError as error:
            raise StoreError(
                f"a checkpoint cannot be written to {checkpoints}: {error}. Free some disk space, "
                "then run the same command again: it goes on from the last whole one."
            ) from error


def _go_back(
    trainer: Any, journal: TrainingJournal, watch: Watch, checkpoints: Path, start: dict[str, Any]
) -> None:
    """Puts weights, metrics and optimizer back to the last checkpoint, or to the start."""
    last = latest_complete(checkpoints)
    journal.cut(last[1] if last else 0, undone=watch.memory.folder / UNDONE)
    _restore(trainer, start, last[0] if last else None)
    trainer.optimizer = trainer.lr_scheduler = None  # both are made or loaded anew


def _restore(trainer: Any, start: dict[str, Any], checkpoint: Path | None) -> None:
    """Puts the weights of a checkpoint, or of the start, back."""
    if checkpoint is None:
        put_back(trainer.model, start)
    else:
        load_weights(trainer.model, checkpoint)


def _replay(trainer: Any, watch: Watch, replayer: Replayer, checkpoint: Path, step: int) -> None:
    """Trains on earlier data from a checkpoint's weights, which are then the checkpoint's."""
    order = watch.memory.state.replaying
    assert order is not None
    if order["step"] != step:  # a kill lost that checkpoint: its check comes again
        watch.memory.state.replaying = None
        watch.memory.save()
        return
    load_weights(trainer.model, checkpoint)
    set_seed(trainer.args.seed)  # the same dropout when a kill makes it come again
    replayer(order["modes"])
    trainer.model.save_pretrained(str(checkpoint))
    seal(checkpoint.parent, step)
    watch.after_replay(step)


def make_watch(
    plan: WatchPlan,
    trainer: Any,
    tokenizer: Any,
    folder: Path,
    rates: RatePlan,
    rows: Sequence[Mapping[str, Any]] = (),
) -> Watch:
    """Monitors for a trainer whose model stands where its reference does."""
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
    return Watch(plan, instruments, memory, folder / "checkpoints", rates)


def train_briefly(trainer: Any, rows: Any, rate: float) -> None:
    """Trains the trainer's model once through some rows at a constant rate.

    The optimizer is a fresh one; nothing is written, and no monitor looks, but a step
    that is not finite still raises. Afterwards the trainer is as it was, its model apart.
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
