"""Every way of training leaves a model that every command can use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from anlage.errors import ConfigurationError
from anlage.inspection.models import SideBySide, named_models
from anlage.inspection.suites import Asked, measure_suites
from anlage.pipeline.config import RunConfig
from anlage.pipeline.run import run
from anlage.pipeline.run_directory import RunDirectory
from anlage.release.package import package
from anlage.trainer.result import TrainedModel
from safetensors.torch import load_file

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def trained(folder: Path, model: Path, method: str) -> Path:
    plain = tiny_run_config(folder, model).model_dump(mode="json")
    plain["calibration"] = {"limit": 2}
    plain["training"] |= {"epochs": 1, "method": method, "learning_rate": 0.01}
    return run(RunConfig.model_validate(plain), until="training").path


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_trained_model_is_talked_to_measured_and_packaged(
    method: str, tmp_path: Path, model: Path
) -> None:
    folder = trained(tmp_path / "runs", model, method)
    weights = TrainedModel.read(folder / "40_training").load()
    chosen = named_models([str(folder)])
    assert [one.name for one in chosen] == ["base", "trained"]
    both = SideBySide(RunDirectory(folder), max_tokens=8)
    assert both.models["trained"].fingerprint == weights.fingerprint
    assert both.models["base"].fingerprint != weights.fingerprint
    assert set(both.ask("How do I boil an egg?")) == {"base", "trained"}
    asked = Asked(suites="neutral:2", max_tokens=4)
    found = measure_suites(chosen, asked, store=tmp_path / "cache.sqlite", batch_size=2)
    assert found.model("trained").fingerprint == weights.fingerprint
    packed = package(folder, tmp_path / "out", merged=True)
    assert "model.safetensors" in packed.files


def test_what_is_packaged_of_a_quantised_base_is_what_was_measured(
    tmp_path: Path, model: Path
) -> None:
    """4 bits need a GPU; an adapter trained on them is an adapter like any other."""
    folder = trained(tmp_path / "runs", model, "lora")
    plain = package(folder, tmp_path / "plain", merged=True)
    record = json.loads((folder / "40_training" / "result.json").read_text())
    (folder / "40_training" / "result.json").write_text(json.dumps(record | {"method": "qlora"}))
    quantised = package(folder, tmp_path / "quantised", merged=True)
    first, second = (load_file(p.folder / "model.safetensors") for p in (plain, quantised))
    assert all((first[name] == second[name]).all() for name in first)
    assert "held in 4 bits for the training only" in (quantised.folder / "README.md").read_text()
    measured = TrainedModel.read(folder / "40_training").load(dtype="float32")
    state = measured.model.state_dict()
    assert all((second[name] == state[name].cpu()).all() for name in second if name in state)


def test_a_run_without_a_trained_model_says_so(tmp_path: Path, model: Path) -> None:
    folder = run(tiny_run_config(tmp_path, model), until="constitution").path
    with pytest.raises(ConfigurationError, match="no trained model yet"):
        named_models([str(folder)])
    (folder / "40_training" / "adapter").mkdir(parents=True)  # begun, not finished
    with pytest.raises(ConfigurationError, match="no trained model yet"):
        SideBySide(RunDirectory(folder))
    shutil.rmtree(folder)
