"""The plan of the learning rate: steps, warm-up, and whether a rate can move anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import TrainingError
from .config import TrainConfig

WARMUP_ADVICE = "Lower warmup_steps, warmup_ratio or batch_size, or train longer"


def plan_steps(pairs: int, config: TrainConfig, processes: int = 1) -> int:
    """Optimizer steps of a whole training.

    Args:
        pairs: Pairs trained on.
        config: The training's config.
        processes: Those that share it; each runs `batch_size` pairs at a time.

    Raises:
        TrainingError: Warm-up would take all of them, so that the rate never
            reaches `learning_rate`.
    """
    steps = _steps(pairs, config, processes)
    reason = why_never_full_rate(pairs, config, processes)
    if reason:
        raise TrainingError(f"{reason}. {WARMUP_ADVICE}.")
    return steps


def warmup_steps(steps: int, config: TrainConfig) -> int:
    """Steps in which the rate rises from 0, whatever the training's length."""
    if config.scheduler == "constant":
        return 0
    if config.warmup_steps is not None:
        return config.warmup_steps
    return math.ceil(steps * config.warmup_ratio)


def why_never_full_rate(pairs: int, config: TrainConfig, processes: int = 1) -> str:
    """Why the rate never reaches `learning_rate`, in one sentence; "" if it does."""
    steps = _steps(pairs, config, processes)
    warmup = warmup_steps(steps, config)
    if warmup < max(steps, 1):
        return ""
    highest = config.learning_rate * (steps - 1) / warmup if steps else 0.0
    many = "s" if steps != 1 else ""
    return (
        f"the learning rate is never above {highest:g}, because warm-up takes {warmup} steps and "
        f"the whole training is {steps} step{many} long ({pairs} pairs, batch_size "
        f"{config.batch_size}, gradient_accumulation {config.gradient_accumulation}, epochs "
        f"{config.epochs})"
    )


def _steps(pairs: int, config: TrainConfig, processes: int) -> int:
    batches = math.ceil(pairs / (config.batch_size * processes))
    steps = math.ceil(batches / config.gradient_accumulation) * config.epochs
    return min(steps, config.max_steps) if config.max_steps else steps


_UP = 0.1
"""Share of the highest rate from which on a rate is not near zero."""

LEAST_TRAVEL = {"lora": 4e-3, "qlora": 4e-3, "full": 2e-5}
"""Sum of the rates of all steps: about the farthest AdamW moves one weight. LoRA at 1.4e-3
left SmolLM2-135M as it was; 2.4e-2 moved it."""


@dataclass(frozen=True, slots=True)
class RatePlan:
    """The planned learning rate of every step: what monitors judge a step against.

    Attributes:
        rates: Of each step, the first one at place 0.
        least_travel: Sum of the rates below which nothing changes (`LEAST_TRAVEL`).
    """

    rates: Sequence[float]
    least_travel: float

    @classmethod
    def of(cls, steps: int, config: TrainConfig) -> RatePlan:
        """The plan of a whole training."""
        return cls(tuple(learning_rates(steps, config)), LEAST_TRAVEL[config.method])

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole training."""
        return len(self.rates)

    def is_up(self, step: int) -> bool:
        """Whether the plan has the rate of a step (1-based) above a tenth of the highest.

        A warm-up begins, and a cosine or linear schedule ends, below: there weights may stand.
        """
        return self.rates[step - 1] >= _UP * max(self.rates)

    def is_up_between(self, first: int, last: int) -> bool:
        """Whether the rate's mean over the steps after `first` and up to `last` is as high."""
        some = self.rates[first:last]
        return bool(some) and sum(some) / len(some) >= _UP * max(self.rates)

    def is_hopeless(self, least_step: float) -> bool:
        """Whether no step is planned to move a weight by `least_step`, nor all of them enough."""
        return max(self.rates) < least_step and sum(self.rates) < self.least_travel / 100


def learning_rates(steps: int, config: TrainConfig) -> list[float]:
    """The rate at each step, from the scheduler that will set it."""
    from transformers import get_scheduler

    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=config.learning_rate)
    warmup = warmup_steps(steps, config)
    scheduler: Any = get_scheduler(
        config.scheduler, optimizer, num_warmup_steps=warmup, num_training_steps=steps
    )
    rates = []
    for _ in range(steps):
        rates.append(float(scheduler.get_last_lr()[0]))
        optimizer.step()
        scheduler.step()
    return rates
