"""The training of a run in several processes: `accelerate launch ... -m anlage.cli train`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ..errors import NotSupportedError
from ..trainer.processes import Processes
from ..trainer.train import train
from .resolved import Resolved
from .run import run
from .unit import units_of
from .unit_data import pairs_for


def train_together(config: Path, *, again: bool = False) -> Path:
    """Trains a run's model on the pairs it has; every launched process makes this call.

    The main process holds the run directory, keeps its manifest and prints. The others
    wait until it says that there is something to train. What comes before training is
    for one process: `run` refuses it here.

    Args:
        config: A config file.
        again: Train even if nothing changed.

    Returns:
        The run directory.

    Raises:
        NotSupportedError: The run has rounds, layers or monitors.
        RunDirectoryError: The run's pairs have not been built, or it is in use.
        ConfigurationError: The config is wrong.
    """
    group = Processes()
    resolved = Resolved.load(config)
    resolved.check(str(config))
    if not resolved.is_plain:
        raise NotSupportedError(
            "rounds, layers and monitors train in one process; run `anlage train` without a "
            "launcher."
        )
    folder, (unit,) = resolved.folder, units_of(resolved)
    if group.is_main:
        console = Console()
        done = run(resolved, until="training", again=again, quiet=False, console=console)
        if "training" in done.skipped:
            group.from_main(lambda: False)
    elif group.from_main(bool):
        train(
            pairs_for(resolved, unit, folder),
            model=resolved.model,
            config=resolved.training(),
            output=folder / unit.folder,
        )
    group.wait()
    return folder
