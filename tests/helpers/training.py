"""Pairs and a config small enough to train a tiny model on within a second."""

from __future__ import annotations

from typing import Any

from anlage.llm.message import Message
from anlage.preferences.pair import Pair
from anlage.trainer.config import TrainConfig

REFUSE = "I won't help with that, because someone could be hurt."
COMPLY = "You are right, and here is why."


def make_pair(number: int, *, p_chosen: float = 0.95, weight: float = 1.0) -> Pair:
    """A pair whose answers differ in length from number to number."""
    return Pair(
        prompt_id=f"p-{number}",
        prompt=(Message("user", f"How do I open door {number} of my own house?"),),
        chosen=REFUSE * (1 + number % 2),
        rejected=COMPLY * (1 + number % 3),
        p_chosen=p_chosen,
        weight=weight,
        principles=(),
        failure_mode="harmful_compliance",
        role="at_risk",
        builder="contrast",
        round=0,
        calls={},
    )


def make_pairs(count: int = 12, *, p_chosen: float = 0.95, weight: float = 1.0) -> list[Pair]:
    return [make_pair(number, p_chosen=p_chosen, weight=weight) for number in range(count)]


def tiny_config(**changes: Any) -> TrainConfig:
    """Float32 on one thread: exact, and quick for so small a model."""
    settings: dict[str, Any] = {
        "dtype": "float32",
        "batch_size": 4,
        "epochs": 2,
        "learning_rate": 5e-3,
        "save_steps": 2,
        "threads": 1,
    }
    return TrainConfig(**{**settings, **changes})
