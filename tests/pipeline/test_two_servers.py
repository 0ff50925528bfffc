"""The whole pipeline with different servers for different roles, and its pairs in stock TRL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from anlage.pipeline.config import RunConfig
from anlage.pipeline.run import run

from ..helpers.openai_server import OpenAIServer
from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model


def critic_says(body: dict[str, Any]) -> str:
    """The critic's server: one sentence of reason."""
    return "The answer goes along with it without a second thought."


def teacher_says(body: dict[str, Any]) -> str:
    """The other server: the better answers, and the comparisons, which it gets right."""
    said = body["messages"][-1]["content"]
    if "Reply with A or B" not in said:
        return f"The kind thing is to stop here and ask a friend, number {len(said)} of many."
    first = said.split("Answer A:\n<<<\n")[1].split("\n>>>")[0]
    return "A" if len(first) % 2 else "B"


def config_for(folder: Path, model: Path, critic: str, other: str) -> RunConfig:
    small = tiny_run_config(folder, model)
    data = small.model_dump(mode="json")
    data |= {"critic": critic, "comparator": other, "teacher": other}
    data["archetypes"]["only"] = ["guardian"]
    data["pairs"] |= {"builder": "teacher", "min_words": 3}
    data["calibration"] = {"limit": 16}
    data["training"] |= {"epochs": 1, "max_steps": 2} if "max_steps" in data["training"] else {}
    return RunConfig.model_validate(data)


@pytest.mark.slow
def test_a_run_with_two_servers_ends_with_a_report_and_its_pairs_train_in_stock_trl(
    tmp_path: Path,
) -> None:
    model = make_tiny_model(tmp_path / "model")
    with OpenAIServer(answer=critic_says) as one, OpenAIServer(answer=teacher_says) as two:
        done = run(config_for(tmp_path / "runs", model, one.spec, two.spec))
        assert two.calls > 0
        assert done.report.is_file()
        calibration = json.loads((done.path / "20_calibration.json").read_text())
        assert calibration["critic"] == f"chat:openai:{two.url}:tiny"
        outcomes = json.loads((done.path / "31_outcomes.json").read_text())
    assert outcomes["on_policy"] is False
    assert sum(outcomes["by_kind"].values()) == outcomes["total"]
    pairs = done.pairs
    assert len(pairs) > 0
    assert all(pair.chosen.startswith("The kind thing") for pair in pairs)
    data = tmp_path / "data"
    data.mkdir()
    pairs.to_dataset().to_parquet(str(data / "train.parquet"))
    command = [str(Path(sys.executable).with_name("trl")), "dpo"]
    options = {
        "model_name_or_path": model,
        "dataset_name": data,
        "output_dir": tmp_path / "trl",
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "report_to": "none",
        "save_strategy": "no",
        "bf16": "false",
        "use_cpu": "true",
        "dtype": "float32",
    }
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    trained = subprocess.run(
        command,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert trained.returncode == 0, trained.stderr[-2000:]
    assert "train_loss" in trained.stdout + trained.stderr
