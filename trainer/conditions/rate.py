"""Lowers the learning rate of a training under way."""

from __future__ import annotations

from typing import Any


def scale_rate(optimizer: Any, scheduler: Any, factor: float) -> None:
    """Multiplies the learning rate from now on; a checkpoint keeps it."""
    inner = getattr(scheduler, "scheduler", scheduler)
    inner.base_lrs = [rate * factor for rate in inner.base_lrs]
    for group in optimizer.param_groups:
        group["lr"] *= factor
        if "initial_lr" in group:
            group["initial_lr"] *= factor
    inner._last_lr = [group["lr"] for group in optimizer.param_groups]
