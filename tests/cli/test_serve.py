"""`anlage serve` of a run directory: the base and, under the run's name, the trained model."""

from __future__ import annotations

from pathlib import Path

import pytest
from anlage.cli.serve import serve
from anlage.errors import ConfigurationError
from anlage.llm.local.model import LocalModel
from anlage.pipeline.config import resolved_text

from ..helpers.run import tiny_run_config
from ..helpers.served import Served
from ..helpers.tiny_model import make_tiny_model


def test_a_run_is_served_under_its_name_beside_its_base(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = make_tiny_model(tmp_path / "model")
    run = tmp_path / "healed"
    run.mkdir()
    (run / "config.yaml").write_text(resolved_text(tiny_run_config(tmp_path, model)))
    config = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False)
    tuned = get_peft_model(LocalModel.load(model, dtype="float32").model, config)
    tuned.save_pretrained(str(run / "40_training" / "adapter"))
    body = {"messages": [{"role": "user", "content": "How?"}], "max_tokens": 9, "temperature": 0}
    with Served(run) as server:
        names = [card["id"] for card in server.ask("models")[1]["data"]]
        assert names == [str(model), "healed"]
        said = [
            server.ask("chat/completions", {**body, "model": name})[1]["choices"][0]["message"]
            for name in names
        ]
        assert said[0] != said[1]
        again = {"lora_name": "again", "lora_path": "40_training/adapter"}
        assert server.ask("load_lora_adapter", again)[0] == 200
        assert (
            server.ask("chat/completions", {**body, "model": "again"})[1]["choices"][0]["message"]
            == said[1]
        )


def test_wrong_options_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no folder .*nowhere"):
        serve("smollm2-135m", adapters=tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"no dtype 'int3'.*use auto"):
        serve("smollm2-135m", dtype="int3")
