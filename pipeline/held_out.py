"""The test twins, measured on request and kept apart from the run's own evaluation."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ..evaluation.result import Evaluation
from ..files.write import write_atomically
from .evaluation_stage import measure
from .progress import StageProgress
from .resolved import Resolved
from .run import models_of, run
from .run_directory import RunDirectory, locked
from .stage import Context
from .used_keys import open_store

TEST_EVALUATION = "51_evaluation_test.json"


def evaluate_test_split(config_file: Path, console: Console) -> Evaluation:
    """Measures base and trained model on the test twins; writes `51_evaluation_test.json`.

    Test twins are for once per release: nothing may be tuned on what this prints.

    Args:
        config_file: The run's config; stages up to training are run if they must.
        console: Where to show progress.
    """
    resolved = Resolved.load(config_file)
    done = run(resolved, until="training", quiet=False, console=console)
    directory = RunDirectory(done.path)
    progress = StageProgress(console)
    with locked(directory), open_store(directory) as store:
        models = models_of(resolved, directory, store, progress)
        with progress.stage("evaluating on the test twins"):
            result = measure(Context(resolved.on_split("test"), directory, models, progress))
    write_atomically(directory.path / TEST_EVALUATION, result.to_json())
    return result
