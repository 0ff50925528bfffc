"""The training of a run in several processes: `accelerate launch ... -m anlage.cli train`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ..preferences.dataset import Pairs
from ..preferences.selection import select
from ..trainer.processes import Processes
from ..trainer.train import train
from .config import check_config, load_config
from .run import run


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
        RunDirectoryError: The run's pairs have not been built, or it is in use.
        ConfigurationError: The config is wrong.
    """
    group = Processes()
    loaded = load_config(config)
    check_config(loaded, str(config))
    folder = Path(loaded.runs) / loaded.name
    if group.is_main:
        console = Console()
        done = run(loaded, until="training", again=again, quiet=False, console=console)
        if "training" in done.skipped:
            group.from_main(lambda: False)
    elif group.from_main(bool):
        train(
            select(Pairs.load(folder / "30_pairs.jsonl"), loaded.selection),
            model=loaded.model,
            config=loaded.training,
            output=folder / "40_training",
        )
    group.wait()
    return folder
