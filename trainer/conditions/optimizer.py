"""How far the trained weights moved in the last step."""

from __future__ import annotations

from typing import Any

import torch

_PER_TENSOR = 1024


class WeightMotion:
    """Follows a part of every trained tensor: enough to tell a moving model from a dead one.

    Args:
        model: The model; tensors that need no gradient are not followed.
    """

    def __init__(self, model: Any) -> None:
        self._followed = [p for p in model.parameters() if p.requires_grad]
        self._before = self._sample()

    def _sample(self) -> list[torch.Tensor]:
        return [p.detach().flatten()[:_PER_TENSOR].float().clone() for p in self._followed]

    def since_last(self) -> float:
        """Largest absolute change of a followed weight since the last call, at least 0."""
        now = self._sample()
        moves = [(a - b).abs().max() for a, b in zip(now, self._before, strict=True) if len(a)]
        self._before = now
        return float(torch.stack(moves).max()) if moves else 0.0


def scale_rate(optimizer: Any, scheduler: Any, factor: float) -> None:
    """Multiplies the learning rate from now on; a checkpoint keeps it."""
    inner = getattr(scheduler, "scheduler", scheduler)
    inner.base_lrs = [rate * factor for rate in inner.base_lrs]
    for group in optimizer.param_groups:
        group["lr"] *= factor
        if "initial_lr" in group:
            group["initial_lr"] *= factor
    inner._last_lr = [group["lr"] for group in optimizer.param_groups]
