"""What a stage is, what it works with, and how its inputs are read and hashed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .config import RunConfig
from .models import RunModels
from .progress import StageProgress
from .run_directory import RunDirectory


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage works with."""

    config: RunConfig
    run: RunDirectory
    models: RunModels
    progress: StageProgress


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Attributes:
        name: Its name on the command line.
        title: What the progress bar says.
        version: Raised when the code changes what the stage makes.
        outputs: What it leaves, relative to the run directory.
        settings: The part of the config it obeys, as plain data.
        inputs: Name -> hash of everything it reads.
        execute: Does the work; returns one line to print.
    """

    name: str
    title: str
    version: int
    outputs: tuple[str, ...]
    settings: Callable[[RunConfig], object]
    inputs: Callable[[Context], dict[str, str]]
    execute: Callable[[Context], str]
