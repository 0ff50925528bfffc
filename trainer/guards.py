"""What holds around a training: quiet libraries, counted threads, a word on memory."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..errors import OutOfMemoryError, TrainingError
from .config import TrainConfig

_NOISY = ("transformers", "trl", "peft", "accelerate", "datasets")


@contextmanager
def quiet() -> Iterator[None]:
    """Hides what the libraries say that a user cannot act on; errors are still raised."""
    from transformers.utils import logging as library

    transformers_logging: Any = library  # its functions are untyped

    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Runs with `count` CPU threads, or as many as torch chooses."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def memory_advice(config: TrainConfig) -> Iterator[None]:
    """Says what to lower where a training does not fit.

    Raises:
        OutOfMemoryError: Memory ran out, of the machine or of the GPU.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemoryError(
            f"training does not fit into memory. Lower batch_size (now {config.batch_size}) and "
            f"raise gradient_accumulation (now {config.gradient_accumulation}) by the same "
            "factor, lower max_length, or use method lora."
        ) from error


def check_finite(trainer: Any, loss: torch.Tensor) -> None:
    """Stops at a loss that is not finite; a watched training leaves that to its monitor.

    Raises:
        TrainingError: The loss is NaN or infinite.
    """
    if not trainer.watched and not torch.isfinite(loss):
        raise TrainingError(
            f"the loss became {loss.item()} at step {trainer.state.global_step + 1}; lower "
            f"learning_rate (now {trainer.args.learning_rate:g}) or max_grad_norm, or set "
            "dtype to float32. The last checkpoint is kept; start into an empty folder."
        )
