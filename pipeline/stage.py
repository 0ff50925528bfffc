"""What a stage is, and what it works with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from .manifest import stage_key
from .models import RunModels
from .progress import StageProgress
from .resolved import Resolved
from .run_directory import RunDirectory


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage works with."""

    resolved: Resolved
    run: RunDirectory
    models: RunModels
    progress: StageProgress


class Stage(ABC):
    """One stage of a run: what its result depends on, and how it is made.

    Attributes:
        name: Its name on the command line.
        title: What the progress bar says.
        version: Raised when the code changes what the stage makes.
        outputs: What it leaves, relative to the run directory.
    """

    name: str
    title: str
    version: int = 1
    outputs: tuple[str, ...]

    @abstractmethod
    def settings(self, resolved: Resolved) -> object:
        """The settings that the stage obeys, as plain data."""

    @abstractmethod
    def inputs(self, context: Context) -> dict[str, str]:
        """Name -> hash of everything that the stage reads."""

    @abstractmethod
    def execute(self, context: Context) -> str:
        """Does the work; returns one line to print."""

    def key(self, context: Context) -> str:
        """SHA-256 (hex) that changes whenever the stage would do something else."""
        return stage_key(self.version, self.settings(context.resolved), self.inputs(context))
