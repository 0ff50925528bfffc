"""What a stage is, and what it works with.

A stage's key holds everything that decides its result, so a stage reads nothing that is not in
its key: what earlier stages left and what the config names stand in `inputs`, the package's own
data files (templates, vocabularies, word lists) in `shipped`. A file that a stage begins to
read is added to one of the two; a test watches every file of the package that a stage opens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from ..files.write import hash_path
from .manifest import stage_key
from .models import RunModels
from .progress import StageProgress
from .resolved import Resolved
from .run_directory import RunDirectory

PACKAGE: Final = Path(__file__).parents[1]
"""Where the package's own data files lie."""


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
        shipped: Data files of the package that it works with, as patterns relative to it.
    """

    name: str
    title: str
    version: int = 1
    outputs: tuple[str, ...]
    shipped: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def settings(self, resolved: Resolved) -> object:
        """The settings that the stage obeys, as plain data."""

    @abstractmethod
    def inputs(self, context: Context) -> dict[str, str]:
        """Name -> hash of everything that the stage reads."""

    @abstractmethod
    def execute(self, context: Context) -> str:
        """Does the work; returns one line to print."""

    def tell(self, context: Context) -> None:
        """Prints more about the stage's result, made now or before; nothing by default."""
        return

    def key(self, context: Context) -> str:
        """SHA-256 (hex) that changes whenever the stage would do something else."""
        return self.key_of(self.settings(context.resolved), self.inputs(context))

    def key_of(self, settings: object, inputs: dict[str, str]) -> str:
        """The key under these settings and inputs and the package's data files."""
        files = {file for pattern in self.shipped for file in PACKAGE.glob(pattern)}
        shipped = {
            f"package/{file.relative_to(PACKAGE).as_posix()}": hash_path(file) for file in files
        }
        return stage_key(self.version, settings, {**inputs, **shipped})
