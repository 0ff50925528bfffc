"""`anlage doctor` says before any cost what would spoil a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from anlage.cli.app import app
from anlage.pipeline.config import RunConfig
from anlage.pipeline.doctor import diagnose
from anlage.pipeline.resolved import Resolved
from anlage.preferences.dataset import Pairs
from typer.testing import CliRunner

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs


def write(tmp_path: Path, training: str = "{}", model: str | None = None) -> Path:
    model = model or str(make_tiny_model(tmp_path / "model"))
    path = tmp_path / "config.yaml"
    path.write_text(
        f"name: demo\nruns: {tmp_path}/runs\nmodel: {model}\n"
        f"prompts: {{sets: [harm], limit: 30}}\ntraining: {training}\n"
    )
    return path


def test_a_healthy_config_shows_a_row_and_ends_well(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", str(write(tmp_path))])
    assert done.exit_code == 0, done.output
    assert "Nothing found" in done.output
    assert "60 pairs (stand-ins" in done.output
    assert "<|im_start|>assistant" in done.output
    shown = done.output.replace("\n", " ")
    marked = shown[shown.index("⟦I can help") + 1 : shown.rindex("⟧")]
    assert marked.endswith("<|im_end|>")
    assert "<|im_start|>" not in marked


@pytest.mark.parametrize("changes", ["warmup_steps: 500", "warmup_ratio: 0.1"])
def test_one_step_at_rate_zero_is_refused_in_one_sentence(tmp_path: Path, changes: str) -> None:
    path = write(tmp_path, f"{{batch_size: 60, epochs: 1, {changes}}}")
    done = CliRunner().invoke(app, ["doctor", str(path)])
    assert done.exit_code == 2
    warmup = 500 if "500" in changes else 1
    (line,) = [line for line in done.output.splitlines() if "T001" in line]
    assert (
        f"the learning rate is never above 0, because warm-up takes {warmup} steps and the whole "
        "training is 1 step long"
    ) in line


def test_an_unknown_model(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", str(write(tmp_path, model="no/such-model"))])
    assert done.exit_code == 2
    assert "T011" in done.output


def test_memory_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    monkeypatch.setattr("anlage.pipeline.doctor.available_memory", lambda: 1e9)
    done = CliRunner().invoke(app, ["doctor", str(path)])
    assert "T010" in done.output
    monkeypatch.setattr("anlage.pipeline.doctor.available_memory", lambda: 1e8)
    done = CliRunner().invoke(app, ["doctor", str(path)])
    assert done.exit_code == 2
    assert "are free" in done.output


def test_every_weight_needs_the_same_memory_however_it_was_asked_for(tmp_path: Path) -> None:
    plain = {
        "name": "demo",
        "runs": str(tmp_path),
        "model": str(make_tiny_model(tmp_path / "model")),
        "prompts": {"sets": ["harm"], "limit": 4},
    }
    needs = [
        diagnose(Resolved(RunConfig.model_validate({**plain, **changes}))).need
        for changes in (
            {"conditions": {"room": {"method": "full"}}},
            {"training": {"method": "full"}},
            {},
            {"conditions": "healthy", "training": {"method": "full"}},  # which says lora
        )
    ]
    assert all(need is not None for need in needs)
    assert needs[0] == needs[1] != needs[2] == needs[3]


def test_the_mask_covers_the_answer_and_its_end(tmp_path: Path) -> None:
    config = RunConfig(
        name="demo",
        runs=str(tmp_path),
        model=str(make_tiny_model(tmp_path / "model")),
        prompts={"sets": ["harm"], "limit": 4},  # type: ignore[arg-type]
    )
    row = diagnose(Resolved(config)).row
    marks = [token.trained for token in row]
    assert marks == sorted(marks)  # the prompt, then the answer
    text = "".join(token.text for token in row if token.trained)
    assert text.startswith("I can help with that")
    assert text.endswith("<|im_end|>")


def test_pairs_already_built_are_the_ones_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path)
    folder = tmp_path / "runs" / "demo"
    folder.mkdir(parents=True)
    pairs = make_pairs(8)
    against = replace(pairs[0], chosen=pairs[0].rejected, rejected=pairs[0].chosen)
    Pairs([*pairs, against]).save(folder / "30_pairs.jsonl")
    done = CliRunner().invoke(app, ["doctor", str(path)])
    assert "9 pairs." in done.output
    assert "T007" in done.output
