"""The reference is the model as it was given, whatever its name, its method or a resume say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.errors import NotSupportedError, ReferenceMismatchError
from anlage.trainer.conditions.journal import WatchPlan
from anlage.trainer.conditions.settings import MonitorSettings
from anlage.trainer.train import train
from transformers import AutoModelForCausalLM

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs, tiny_config


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_model(tmp_path_factory.mktemp("model")))


def quietly(done: int, total: int) -> None:
    """Takes progress without drawing a bar."""


def changed(model: str) -> Any:
    """A model in memory that is no longer what its name says."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.no_grad():
        loaded.model.layers[0].mlp.down_proj.weight.mul_(1.5)
    return loaded


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_model_in_memory_is_its_own_reference_not_the_one_of_its_name(
    model: str, tmp_path: Path, method: str
) -> None:
    config = tiny_config(method=method, max_steps=2, warmup_ratio=0.0)
    results = {}
    for name, given in (("name", model), ("memory", changed(model))):
        results[name] = train(
            make_pairs(4), model=given, config=config, output=tmp_path / name, on_progress=quietly
        )
    assert results["name"].reference != results["memory"].reference
    # Before the first step a model that is its own reference has rewards of exactly 0.
    for result in results.values():
        first = result.metrics.read_text().splitlines()[0]
        assert '"rewards/chosen": 0.0' in first
        assert '"rewards/rejected": 0.0' in first


def test_a_half_trained_model_is_not_taken_for_the_reference(model: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    config = tiny_config(method="full", max_steps=4)
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if total == 4 and done == 3:
            raise KeyboardInterrupt

    given = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with pytest.raises(KeyboardInterrupt):
        train(make_pairs(), model=given, config=config, output=output, on_progress=stop)
    # The object in memory has been trained for three steps; its name still says "base".
    with pytest.raises(ReferenceMismatchError, match="is not the reference"):
        train(make_pairs(), model=given, config=config, output=output, on_progress=quietly)
    resumed = train(make_pairs(), model=model, config=config, output=output, on_progress=quietly)
    whole = train(
        make_pairs(), model=model, config=config, output=tmp_path / "whole", on_progress=quietly
    )
    assert resumed.reference == whole.reference
    name = "model.safetensors"
    assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_monitors_do_not_read_a_reference_by_the_name_of_a_model_in_memory(
    model: str, tmp_path: Path
) -> None:
    with pytest.raises(NotSupportedError, match="give the model by name"):
        train(
            make_pairs(),
            model=changed(model),
            config=tiny_config(method="full"),
            output=tmp_path,
            watch=WatchPlan(MonitorSettings(), ()),
        )
