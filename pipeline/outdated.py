"""A training that an earlier state of its run left: kept, but out of the way."""

from __future__ import annotations

from pathlib import Path

from .config import RunConfig
from .effect import is_plain
from .progress import StageProgress


def is_outdated(config: RunConfig, error: Exception) -> bool:
    """Whether the folder holds what an earlier state of this run trained.

    Such as before an archetype was edited. Other hardware is no reason to begin anew, and
    several processes must agree, so there the error stands.
    """
    from ..trainer.processes import launched

    if launched() > 1:
        return False
    return not is_plain(config) or "pairs" in getattr(error, "differs", ())


def set_aside(folder: Path, progress: StageProgress) -> None:
    """Gives an outdated training a name of its own beside its place; nothing is deleted."""
    number = 1
    while (old := folder.with_name(f"{folder.name}.old{number if number > 1 else ''}")).exists():
        number += 1
    folder.rename(old)
    progress.say(f"{folder.name} held an earlier state of this run, kept as {old.name}")
