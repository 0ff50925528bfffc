from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from anlage.errors import NotSupportedError
from anlage.trainer.assembly import quantisation
from anlage.trainer.train import train

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs, tiny_config


def quietly(done: int, total: int) -> None:
    """Takes progress without drawing a bar."""


def test_gradient_checkpointing_changes_no_step(tmp_path: Path) -> None:
    model = str(make_tiny_model(tmp_path / "model"))
    lines = []
    for saves in (False, True):
        output = tmp_path / str(saves)
        config = tiny_config(gradient_checkpointing=saves)
        result = train(make_pairs(), model=model, config=config, output=output, on_progress=quietly)
        assert result.layout == "prompts shared"
        lines.append([json.loads(line) for line in result.metrics.read_text().splitlines()])
    for plain, saved in zip(*lines, strict=True):
        assert saved == pytest.approx(plain, abs=1e-5)  # losses and norms of gradients


@pytest.mark.skipif(torch.cuda.is_available(), reason="with CUDA it may run")
def test_four_bits_without_a_gpu_are_refused_in_one_sentence(tmp_path: Path) -> None:
    model = str(make_tiny_model(tmp_path / "model"))
    with pytest.raises(
        NotSupportedError, match=r"^method qlora .* needs a CUDA GPU .* use lora\.$"
    ):
        train(make_pairs(), model=model, config=tiny_config(method="qlora"), output=tmp_path / "o")
    config = quantisation(torch.bfloat16).to_dict()
    assert (config["bnb_4bit_quant_type"], config["load_in_4bit"]) == ("nf4", True)
