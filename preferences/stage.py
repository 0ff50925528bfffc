"""Tells a caller which stage of a build starts, so that it can show progress."""

from __future__ import annotations

from collections.abc import Callable

OnStage = Callable[[str, int], None]
"""Called with a stage's name and how many answers it works on."""


def announce(on_stage: OnStage | None, name: str, count: int) -> None:
    """Calls `on_stage` if there is one."""
    if on_stage is not None:
        on_stage(name, count)
