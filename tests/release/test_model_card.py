"""The model card says what was done, not what the config began with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anlage.pipeline.config import RunConfig
from anlage.pipeline.run import run
from anlage.pipeline.run_directory import RunDirectory
from anlage.release.model_card import model_card

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def card_of(folder: Path, model: Path, **changes: Any) -> str:
    """The card of a run whose config says `learning_rate: 0.01`."""
    plain = tiny_run_config(folder, model).model_dump(mode="json")
    plain["training"] |= {"epochs": 1}
    done = run(RunConfig.model_validate({**plain, **changes}), until="training")
    return model_card(RunDirectory(done.path), merged=False)


def test_the_rate_is_the_one_that_was_used(tmp_path: Path, model: Path) -> None:
    card = card_of(tmp_path, model, conditions={"room": {"rate": 0.1}})
    claimed = json.loads((tmp_path / "tiny/40_training/training.json").read_text())
    assert claimed["config"]["learning_rate"] == pytest.approx(0.001)
    assert "| learning rate; beta; SFT | 0.001; " in card


def test_layers_with_rates_of_their_own_are_all_named(tmp_path: Path, model: Path) -> None:
    layers = [
        {"name": "first", "kind": "dpo", "limit": 4},
        {"name": "second", "kind": "dpo", "limit": 4, "learning_rate": 0.002},
    ]
    card = card_of(tmp_path, model, layers=layers, conditions={"room": {"rest": False}})
    assert "| learning rate; beta; SFT | 0.01, 0.002; " in card
