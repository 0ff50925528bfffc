from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from anlage.preferences.dataset import Pairs
from anlage.store.store import Store
from anlage.trainer.config import TrainConfig
from anlage.trainer.train import train
from safetensors.torch import load_file

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs, tiny_config

CPU = Path(__file__).parents[2] / "examples/accelerate/cpu.yaml"

# Trains like the parent; a rank's own files say what it did. Waits where it is told to.
CHILD = """
import json, os, sys, time
from pathlib import Path
from anlage.trainer.config import TrainConfig
from anlage.trainer.processes import Processes
from anlage.trainer.train import train

pairs, model, output, config, wait_at = sys.argv[1:]
rank = Processes().index
Path(f"{output}.pid{rank}").write_text(str(os.getpid()))
told = []

def note(done, total):
    told.append((done, total))
    if done == int(wait_at):
        Path(output, "waiting").touch()
        time.sleep(600)

result = train(pairs, model=model, output=output, on_progress=note,
               config=TrainConfig(**json.loads(config)))
Path(f"{output}.rank{rank}.json").write_text(json.dumps([told, result.steps]))
"""


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("setting")
    model = make_tiny_model(folder / "model")
    # Ten pairs of weights and labels that differ: an epoch's last batch is not full.
    pairs = [*make_pairs(7), *make_pairs(10, p_chosen=0.7, weight=1.5)[7:]]
    return str(model), str(Pairs(pairs).save(folder / "pairs.jsonl"))


def quietly(done: int, total: int) -> None:
    """Takes progress without drawing a bar."""


def two_processes(
    setting: tuple[str, str], output: Path, config: TrainConfig, wait_at: int = -1
) -> subprocess.Popen[bytes]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = json.dumps(config.model_dump(mode="json"))
    script = output.parent / "child.py"
    script.write_text(CHILD)
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file"]
    launcher += [str(CPU), "--num_processes", "2", "--main_process_port", str(port), str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*launcher, setting[1], setting[0], str(output), settings, str(wait_at)],
        env=environment,
        start_new_session=True,
    )


def metrics(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def same_numbers(left: Path, right: Path) -> None:
    assert len(metrics(left)) == len(metrics(right))
    for ours, theirs in zip(metrics(left), metrics(right), strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert value == pytest.approx(theirs[name], abs=1e-5, rel=1e-4), name


def test_two_processes_killed_and_resumed_train_what_one_does(
    setting: tuple[str, str], tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    model, pairs = setting
    # Three passes of four pairs are an epoch, the last of two: 8 pairs a step, then 2.
    config = tiny_config(batch_size=4, gradient_accumulation=2)
    train(pairs, model=model, config=config, output=one, on_progress=quietly)
    half = tiny_config(batch_size=2, gradient_accumulation=2)
    child = two_processes(setting, two, half, wait_at=3)
    deadline = time.monotonic() + 300
    while not (two / "waiting").exists():
        assert child.poll() is None, "the processes ended by themselves"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for rank in range(2):  # the launcher gives them sessions of their own
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / f"two.pid{rank}").read_text()), signal.SIGKILL)
    assert (two / "checkpoints/checkpoint-2/complete.json").exists()

    assert two_processes(setting, two, half).wait(timeout=300) == 0
    # Only the main process tells; both return the result.
    told, steps = json.loads((tmp_path / "two.rank0.json").read_text())
    assert told == [[10, 10], [3, 4], [4, 4]]
    assert json.loads((tmp_path / "two.rank1.json").read_text()) == [[], steps]
    same_numbers(one, two)
    weights = [load_file(path / "adapter/adapter_model.safetensors") for path in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    for name in weights[0]:
        assert float((weights[0][name] - weights[1][name]).abs().max()) < 1e-4, name
    with Store(two / "reference.sqlite") as store:
        assert store.count("reference") == 10
    for output in (one, two):
        assert json.loads((output / "result.json").read_text())["layout"] == "prompts shared"
    assert json.loads((two / "training.json").read_text())["config"]["processes"] == 2
