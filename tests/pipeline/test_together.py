"""A run's training in two processes, started by accelerate's own launcher."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from anlage.errors import RunDirectoryError
from anlage.pipeline.run import run

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model

CPU = Path(__file__).parents[2] / "examples/accelerate/cpu.yaml"


def metrics(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "40_training/metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_two_processes_train_a_run_as_one_does(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model")
    config = tiny_run_config(tmp_path / "two", model)
    training = config.training.model_copy(update={"dtype": "float32", "max_steps": 4})
    config = config.model_copy(update={"training": training})
    run(config, until="pairs")
    alone = config.model_copy(update={"runs": str(tmp_path / "one")})
    alone = alone.model_copy(
        update={"training": training.model_copy(update={"batch_size": 2 * training.batch_size})}
    )
    shutil.copytree(tmp_path / "two", tmp_path / "one")
    shutil.rmtree(tmp_path / "one" / "tiny")  # the store of model calls stays
    run(alone, until="training")

    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CPU)]
    command += ["--main_process_port", str(port), "-m", "anlage.cli", "train", str(file)]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("training") == 1  # one process prints

    folders = [tmp_path / name / "tiny" for name in ("one", "two")]
    for ours, theirs in zip(*(metrics(folder) for folder in folders), strict=True):
        for name, value in ours.items():
            if name == "rewards/accuracies":  # before the first step it is the sign of rounding
                continue
            assert value == pytest.approx(theirs[name], abs=1e-4, rel=1e-3), name
    manifest = json.loads((folders[1] / "manifest.json").read_text())
    assert "training" in manifest["stages"]
    assert (
        json.loads((folders[1] / "40_training/training.json").read_text())["config"]["processes"]
        == 2
    )


def test_pairs_are_for_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_run_config(tmp_path, make_tiny_model(tmp_path / "model"))
    monkeypatch.setattr("anlage.trainer.processes.launched", lambda: 2)
    with pytest.raises(RunDirectoryError, match="Run `anlage pairs CONFIG` in one process first"):
        run(config, until="training")
