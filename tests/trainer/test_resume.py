from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from anlage.errors import OtherTrainingError
from anlage.preferences.dataset import Pairs
from anlage.trainer.checkpoint import SEAL, is_complete, latest_complete, seal
from anlage.trainer.rows import hash_rows, load_pairs, tokenize
from anlage.trainer.train import train
from transformers import AutoTokenizer

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs, tiny_config

# The child trains like the parent, but waits after a step until it is killed.
CHILD = """
import json, sys, time
from pathlib import Path
from anlage.trainer.config import TrainConfig
from anlage.trainer.train import train

pairs, model, output, config, wait_at = sys.argv[1:]

def pause(done, total):
    if total == 6 and done == int(wait_at):
        Path(output, "waiting").touch()
        if int(wait_at):
            time.sleep(60)

train(pairs, model=model, output=output, config=TrainConfig(**json.loads(config)),
      on_progress=pause)
"""


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("setting")
    model = make_tiny_model(folder / "model")
    return str(model), Pairs(make_pairs()).save(folder / "pairs.jsonl")


def quietly(done: int, total: int) -> None:
    """Takes progress without drawing a bar."""


def start_child(
    setting: tuple[str, Path], output: Path, wait_at: int, method: str = "lora"
) -> subprocess.Popen[bytes]:
    config = json.dumps(tiny_config(method=method).model_dump(mode="json"))
    arguments = [str(setting[1]), setting[0], str(output), config, str(wait_at)]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments])
    deadline = time.monotonic() + 120
    while not (output / "waiting").exists():
        assert child.poll() is None, "the child ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return child


def lines(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def weights(output: Path) -> bytes:
    (file,) = [*output.glob("adapter/*.safetensors"), *output.glob("model/*.safetensors")]
    return file.read_bytes()


@pytest.mark.parametrize(
    ("method", "step"),
    [
        ("full", 3),
        *(pytest.param("lora", step, marks=pytest.mark.slow) for step in (1, 2, 3, 4, 6)),
        *(pytest.param("full", step, marks=pytest.mark.slow) for step in (1, 6)),
    ],
)
def test_killed_at_any_step(
    setting: tuple[str, Path], tmp_path: Path, method: str, step: int
) -> None:
    model, pairs = setting
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    config = tiny_config(method=method)
    train(pairs, model=model, config=config, output=whole, on_progress=quietly)
    child = start_child(setting, killed, step, method)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    told: list[int] = []
    train(
        pairs,
        model=model,
        config=config,
        output=killed,
        on_progress=lambda done, total: told.append(done) if total == 6 else None,
    )
    # A checkpoint is written every second step, after the report of that step.
    assert told == list(range((step - 1) // 2 * 2 + 1, 7))
    assert weights(killed) == weights(whole)
    assert lines(killed) == lines(whole)


def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(
    setting: tuple[str, Path], tmp_path: Path
) -> None:
    model, pairs = setting
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(pairs, model=model, config=tiny_config(), output=whole, on_progress=quietly)
    child = start_child(setting, killed, wait_at=5)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert {path.name for path in (killed / "checkpoints").iterdir()} == {
        "checkpoint-2",
        "checkpoint-4",
    }
    # As if the kill had come in the middle of writing the newer one.
    (killed / "checkpoints/checkpoint-4/optimizer.pt").write_bytes(b"half")
    told: list[tuple[int, int]] = []
    train(
        pairs,
        model=model,
        config=tiny_config(),
        output=killed,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert [done for done, total in told if total == 6] == [3, 4, 5, 6]
    assert weights(killed) == weights(whole)
    assert lines(killed) == lines(whole)


def test_ctrl_c_saves_where_it_stopped(setting: tuple[str, Path], tmp_path: Path) -> None:
    model, pairs = setting
    output = tmp_path / "stopped"

    def press(done: int, total: int) -> None:
        if (done, total) == (3, 6):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(pairs, model=model, config=tiny_config(), output=output, on_progress=press)
    found = latest_complete(output / "checkpoints")
    assert found is not None
    assert found[1] in (3, 4)  # a signal is handled between two byte codes
    train(pairs, model=model, config=tiny_config(), output=output, on_progress=quietly)
    whole = tmp_path / "whole"
    train(pairs, model=model, config=tiny_config(), output=whole, on_progress=quietly)
    assert weights(output) == weights(whole)


def test_killed_between_the_last_step_and_the_result(
    setting: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, pairs = setting

    def die(*args: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr("anlage.trainer.session._save_result", die)
        with pytest.raises(RuntimeError, match="killed here"):
            train(pairs, model=model, config=tiny_config(), output=tmp_path, on_progress=quietly)
    before = weights(tmp_path)
    result = train(pairs, model=model, config=tiny_config(), output=tmp_path, on_progress=quietly)
    assert result.steps == 6
    assert weights(tmp_path) == before


def test_the_same_texts_as_other_tokens_are_another_training(
    setting: tuple[str, Path], tmp_path: Path
) -> None:
    """As after an update of a library: what was trained on is ids, not texts."""
    model, pairs = setting
    output = tmp_path / "run"
    config = tiny_config(epochs=1)
    train(pairs, model=model, config=config, output=output, on_progress=quietly)
    file = output / "training.json"
    said = json.loads(file.read_text())
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    rows = list(tokenize(load_pairs(pairs), tokenizer, config.max_length).rows)
    assert said["ids"] == hash_rows(rows)
    rows[0] = {**rows[0], "prompt_ids": [*rows[0]["prompt_ids"][:-1], 0]}
    other = {**said, "ids": hash_rows(rows)}
    unsaid = {name: value for name, value in said.items() if name != "ids"}
    for held, refused in ((other, True), (unsaid, False), (said, False)):
        file.write_text(json.dumps(held))
        if refused:
            with pytest.raises(OtherTrainingError, match="differs in: token ids"):
                train(pairs, model=model, config=config, output=output, on_progress=quietly)
        else:
            train(pairs, model=model, config=config, output=output, on_progress=quietly)


def test_only_a_whole_checkpoint_counts(tmp_path: Path) -> None:
    for step in (2, 10):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "weights").write_bytes(b"12345")
        seal(tmp_path, step)
    assert latest_complete(tmp_path) == (tmp_path / "checkpoint-10", 10)
    (tmp_path / "checkpoint-10/weights").write_bytes(b"123")
    assert not is_complete(tmp_path / "checkpoint-10")
    assert latest_complete(tmp_path) == (tmp_path / "checkpoint-2", 2)
    assert not (tmp_path / "checkpoint-10").exists()
    (tmp_path / "checkpoint-2" / SEAL).unlink()
    assert latest_complete(tmp_path) is None
