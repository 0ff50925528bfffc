"""A loss that is not finite ends a training that nothing watches."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import TrainingError


def check_finite(trainer: Any, loss: torch.Tensor) -> None:
    """Stops at a loss that is not finite; a watched training leaves that to its monitor.

    Args:
        trainer: Has `watched`, `state` and `args`.
        loss: One number.

    Raises:
        TrainingError: The loss is NaN or infinite.
    """
    if not trainer.watched and not torch.isfinite(loss):
        raise TrainingError(
            f"the loss became {loss.item()} at step {trainer.state.global_step + 1}; lower "
            f"learning_rate (now {trainer.args.learning_rate:g}) or max_grad_norm, or set "
            "dtype to float32. The last checkpoint is kept; start into an empty folder."
        )
