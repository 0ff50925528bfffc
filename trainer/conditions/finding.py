"""What a monitor says when its condition fails."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition that failed.

    Attributes:
        monitor: The monitor's name.
        step: Optimizer step of the layer.
        message: What was seen, in one sentence.
        values: The numbers behind it.
        modes: Failure modes concerned; () for all.
    """

    monitor: str
    step: int
    message: str
    values: dict[str, float] = field(default_factory=dict)
    modes: tuple[str, ...] = ()
