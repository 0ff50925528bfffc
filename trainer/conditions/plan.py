"""What a watched training is given from outside: settings, labelled pairs, what came before."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...prompts.labelled import LabelledPair
from .check import Check
from .settings import MonitorSettings


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """How one training is watched.

    Attributes:
        settings: The monitors.
        labelled: Labelled pairs of the probe, never trained on.
        ends: Checks before any training and at the end of every earlier layer.
        earlier: All earlier checks, oldest first, for the stall monitor.
        pool: Earlier data (`Pair` or `Lesson`, as the training takes) for a replay.
        label: What the training is called in the log.
    """

    settings: MonitorSettings
    labelled: Sequence[LabelledPair]
    ends: tuple[Check, ...] = ()
    earlier: tuple[Check, ...] = ()
    pool: Sequence[Any] = field(default=())
    label: str = ""


def replay_sample(pool: Sequence[Any], modes: Sequence[str], limit: int, seed: int) -> list[Any]:
    """Earlier data for a replay, drawn with a seed.

    Args:
        pool: Earlier data, each with a `failure_mode`.
        modes: Failure modes wanted; () for all.
        limit: Most rows.
        seed: Of the draw.
    """
    wanted = [row for row in pool if not modes or row.failure_mode in modes]
    generator = random.Random(seed)  # noqa: S311
    return generator.sample(wanted, min(limit, len(wanted)))
