"""Training from its start, or from where a kill left it, to its end: with what monitors order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import StoreError
from ..checkpoint import latest_complete, seal
from ..journal import TrainingJournal, stop_at_step_end
from ..origin import load_weights, put_back, trained_weights
from .interruption import Replay, Rollback
from .watch import Watch

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
    start = trained_weights(trainer.model)
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
            last = latest_complete(checkpoints)
            journal.cut(last[1] if last else 0, undone=watch.memory.folder / UNDONE)
            _restore(trainer, start, last[0] if last else None)
            trainer.optimizer = trainer.lr_scheduler = None  # both are made or loaded anew
        except Replay:
            pass
        if journal.stop_requested:
            raise KeyboardInterrupt


def _train(trainer: Any, journal: TrainingJournal, checkpoints: Path, last: Path | None) -> None:
    with stop_at_step_end(journal):
        try:
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        except OSError as error:
            raise StoreError(
                f"a checkpoint cannot be written to {checkpoints}: {error}. Free some disk space, "
                "then run the same command again: it goes on from the last whole one."
            ) from error


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
    replayer(order["modes"])
    trainer.model.save_pretrained(str(checkpoint))
    seal(checkpoint.parent, step)
    watch.after_replay(step)
