from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.errors import (
    ModelNotFoundError,
    NotSupportedError,
    OutOfMemoryError,
    ReferenceMismatchError,
    RunDirectoryError,
    TrainingError,
)
from anlage.llm.local.model import LocalModel
from anlage.llm.request import Request
from anlage.preferences.pair import Pair
from anlage.store.store import Store
from anlage.trainer.result import TrainedModel
from anlage.trainer.train import train
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs, tiny_config


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_model(tmp_path_factory.mktemp("model")))


def quietly(done: int, total: int) -> None:
    """Takes progress without drawing a bar."""


def margin(model: LocalModel, pairs: list[Pair]) -> float:
    """Mean of log p(chosen) - log p(rejected) over pairs, scored by code that is not ours."""
    texts = [
        (Request(pair.prompt), answer) for pair in pairs for answer in (pair.chosen, pair.rejected)
    ]
    scores = [score.logprob for score in asyncio.run(model.score(texts))]
    gaps = [scores[i] - scores[i + 1] for i in range(0, len(scores), 2)]
    return sum(gaps) / len(gaps)


def metrics(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def test_training_raises_the_margin_and_flipped_pairs_lower_it(model: str, tmp_path: Path) -> None:
    pairs = make_pairs()
    flipped = [replace(p, chosen=p.rejected, rejected=p.chosen) for p in pairs]
    before = margin(LocalModel.load(model, dtype="float32"), pairs)
    after = {}
    for name, given in (("as is", pairs), ("flipped", flipped)):
        result = train(
            given, model=model, config=tiny_config(), output=tmp_path / name, on_progress=quietly
        )
        after[name] = margin(result.load(dtype="float32"), pairs)
    assert after["as is"] > before + 5
    assert after["flipped"] < before - 5


def test_what_a_training_leaves_behind(model: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    result = train(
        make_pairs(),
        model=model,
        config=tiny_config(sft_weight=0.0),
        output=tmp_path,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert (result.steps, result.pairs, result.too_long) == (6, 12, 0)
    assert result == TrainedModel.read(tmp_path)
    assert told == [(8, 12), (12, 12), *((step, 6) for step in range(1, 7))]
    lines = metrics(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)  # policy is reference
    assert lines[0]["rewards/margins"] == pytest.approx(0, abs=1e-4)
    assert {"logps/chosen", "logps/rejected", "learning_rate", "grad_norm"} <= lines[0].keys()
    left = {path.name for path in tmp_path.iterdir()}
    assert {"adapter", "metrics.jsonl", "reference.json", "training.json", "result.json"} <= left
    assert "checkpoints" not in left
    assert not list(tmp_path.rglob("*.bin")) + list(tmp_path.rglob("*.pt"))
    weights = load_file(result.path / "adapter_model.safetensors")
    assert any(bool(value.any()) for name, value in weights.items() if "lora_B" in name)


def test_a_finished_training_is_not_repeated(model: str, tmp_path: Path) -> None:
    first = train(
        make_pairs(), model=model, config=tiny_config(), output=tmp_path, on_progress=quietly
    )
    told: list[int] = []
    again = train(
        make_pairs(),
        model=model,
        config=tiny_config(save_steps=5),
        output=tmp_path,
        on_progress=lambda done, total: told.append(done),
    )
    assert again == first
    assert told == []


def test_full_training_moves_the_weights_and_loads(model: str, tmp_path: Path) -> None:
    result = train(
        make_pairs(),
        model=model,
        config=tiny_config(method="full", learning_rate=1e-3, sft_weight=0.1),
        output=tmp_path,
        on_progress=quietly,
    )
    assert result.path == tmp_path / "model"
    before = margin(LocalModel.load(model, dtype="float32"), make_pairs())
    assert margin(result.load(dtype="float32"), make_pairs()) > before + 1


def test_bfloat16_products_still_move_float32_adapters(model: str, tmp_path: Path) -> None:
    result = train(
        make_pairs(),
        model=model,
        config=tiny_config(dtype="bfloat16"),
        output=tmp_path,
        on_progress=quietly,
    )
    weights = load_file(result.path / "adapter_model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert metrics(tmp_path)[-1]["rewards/margins"] > 1


def test_a_model_in_memory_is_the_unchanged_base_afterwards(model: str, tmp_path: Path) -> None:
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    before = {name: value.clone() for name, value in loaded.state_dict().items()}
    result = train(
        make_pairs(), model=loaded, config=tiny_config(), output=tmp_path, on_progress=quietly
    )
    after = loaded.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    by_name = train(
        make_pairs(),
        model=model,
        config=tiny_config(),
        output=tmp_path / "by-name",
        on_progress=quietly,
    )
    assert by_name.reference == result.reference
    assert (by_name.path / "adapter_model.safetensors").read_bytes() == (
        result.path / "adapter_model.safetensors"
    ).read_bytes()


def test_reference_log_probs_are_computed_once(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "cache.sqlite") as store:
        for name in ("first", "second"):
            train(
                make_pairs(),
                model=model,
                config=tiny_config(),
                output=tmp_path / name,
                store=store,
                on_progress=quietly,
            )
            assert store.count("reference") == 12
            monkeypatch.setattr(
                "anlage.trainer.reference._run", lambda trainer, rows: pytest.fail("repeated")
            )
    first, second = (
        tmp_path / n / "adapter/adapter_model.safetensors" for n in ("first", "second")
    )
    assert first.read_bytes() == second.read_bytes()  # same seed, same bytes


def test_another_model_config_or_pairs_is_refused(model: str, tmp_path: Path) -> None:
    output = tmp_path / "out"

    def again(**changes: Any) -> None:
        given: dict[str, Any] = {"pairs": make_pairs(), "model": model, "config": tiny_config()}
        given |= changes
        pairs = given.pop("pairs")
        train(pairs, **given, output=output, on_progress=quietly)

    again()
    first = json.loads((output / "reference.json").read_text())["fingerprint"]
    other = str(make_tiny_model(tmp_path / "other", seed=1))
    with pytest.raises(ReferenceMismatchError) as caught:
        again(model=other)
    assert first in str(caught.value)
    assert str(caught.value).count("reference:") == 2
    with pytest.raises(RunDirectoryError, match="rank, beta"):
        again(config=tiny_config(rank=4, beta=0.2))
    with pytest.raises(RunDirectoryError, match="pairs"):
        again(pairs=make_pairs(p_chosen=0.9))


def test_faults_are_named_before_anything_is_written(model: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(TrainingError, match="no pairs"):
        train([], model=model, output=output)
    with pytest.raises(TrainingError, match=r"warm-up takes 1 steps and the whole .* 1 step long"):
        train(make_pairs(), model=model, config=tiny_config(max_steps=1), output=output)
    with pytest.raises(TrainingError, match="longer than max_length"):
        train(make_pairs(), model=model, config=tiny_config(max_length=16), output=output)
    with pytest.raises(ModelNotFoundError):
        train(make_pairs(), model=str(tmp_path / "nowhere"), config=tiny_config(), output=output)
    assert not output.exists()
    with pytest.raises(ValidationError, match="learning_rat"):
        tiny_config(learning_rat=1.0)


def test_a_model_with_an_adapter_is_refused(model: str, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base: Any = AutoModelForCausalLM.from_pretrained(model)
    wrapped = get_peft_model(base, LoraConfig(target_modules=["q_proj"]))
    with pytest.raises(NotSupportedError, match="merge"):
        train(make_pairs(), model=wrapped, config=tiny_config(), output=tmp_path)  # type: ignore[arg-type]


def test_a_loss_that_is_not_finite_stops_with_advice(model: str, tmp_path: Path) -> None:
    broken = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.no_grad():
        broken.model.layers[0].mlp.down_proj.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="before any step"):
        train(
            make_pairs(), model=broken, config=tiny_config(), output=tmp_path, on_progress=quietly
        )
    overflow = make_pairs(weight=1e39)  # infinite in float32
    with pytest.raises(TrainingError, match=r"became inf at step 1; lower learning_rate"):
        train(
            overflow,
            model=model,
            config=tiny_config(),
            output=tmp_path / "overflow",
            on_progress=quietly,
        )


def test_out_of_memory_says_what_to_lower(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr("anlage.trainer.soft_dpo.completion_logps", full)
    with pytest.raises(OutOfMemoryError, match=r"batch_size \(now 4\)"):
        train(make_pairs(), model=model, config=tiny_config(), output=tmp_path, on_progress=quietly)
