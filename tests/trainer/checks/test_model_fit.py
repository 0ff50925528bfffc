"""Models whose build a training has to mind: functional dropout, kernels, positions, padding."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.errors import NotSupportedError, TrainingError
from anlage.preferences.pair import Pair
from anlage.prompts.lessons import Lesson
from anlage.trainer.checks.model_fit import fused_layers
from anlage.trainer.supervised import train_lessons
from anlage.trainer.train import train

from ...helpers.tiny_model import make_tiny_model
from ...helpers.training import REFUSE, make_pair, make_pairs, tiny_config

SIZES: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
OPT = {"ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.15}
XGLM = {"d_model": 32, "ffn_dim": 48, "num_layers": 2, "attention_heads": 4, "init_std": 0.15}
MAMBA = {"state_size": 8}
FALCON_H1 = {
    "num_key_value_heads": 2,
    "head_dim": 8,
    "mamba_d_ssm": 32,
    "mamba_n_heads": 4,
    "mamba_d_head": 8,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def tiny(kind: str, llama: Path, folder: Path, **more: Any) -> str:
    """A random model of a type, with the tiny Llama's tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM

    shutil.copytree(llama, folder, ignore=shutil.ignore_patterns("*.safetensors", "*config.json"))
    shutil.copy(llama / "tokenizer_config.json", folder)
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**SIZES, **more})
    make: Any = AutoModelForCausalLM  # untyped
    make.from_config(config).save_pretrained(folder)
    return str(folder)


def margin_at_step_1(model: str, output: Path, pairs: Sequence[Pair], **changes: Any) -> float:
    config = tiny_config(**{"epochs": 1, "warmup_ratio": 0.0, "max_steps": 1, **changes})
    done = train(pairs, model=model, config=config, output=output)
    margin: float = json.loads(done.metrics.read_text().splitlines()[0])["rewards/margins"]
    return margin


@pytest.mark.parametrize(
    ("kind", "more"),
    [("opt", OPT), ("seed_oss", {"num_key_value_heads": 2, "head_dim": 8}), ("xglm", XGLM)],
)
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_functional_dropout_is_off(
    kind: str, more: dict[str, Any], method: str, llama: Path, tmp_path: Path
) -> None:
    model = tiny(kind, llama, tmp_path / "model", **more)
    margin = margin_at_step_1(model, tmp_path / "t", make_pairs(4), method=method)
    assert margin == pytest.approx(0.0, abs=1e-5)


def test_noise_that_stays_on_is_refused(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anlage.trainer.assembly.silence_dropout", lambda model: None)
    model = tiny("opt", llama, tmp_path / "model", **OPT)
    with pytest.raises(NotSupportedError, match="gives other log-probabilities while it trains"):
        margin_at_step_1(model, tmp_path / "t", make_pairs(4))


@pytest.mark.parametrize(("kind", "more"), [("mamba", MAMBA), ("falcon_h1", FALCON_H1)])
def test_layers_that_a_kernel_reads_get_no_adapter(
    kind: str, more: dict[str, Any], llama: Path, tmp_path: Path
) -> None:
    model = tiny(kind, llama, tmp_path / "model", **more)
    assert margin_at_step_1(model, tmp_path / "t", make_pairs(4)) == pytest.approx(0.0, abs=1e-5)
    weights = (tmp_path / "t/adapter").glob("*.safetensors")
    from safetensors.torch import load_file

    names = [name for file in weights for name in load_file(str(file))]
    assert names
    assert not [name for name in names if "out_proj" in name or "conv1d" in name]
    with pytest.raises(NotSupportedError, match="target_modules names out_proj"):
        margin_at_step_1(
            model, tmp_path / "n", make_pairs(4), target_modules=("out_proj", "in_proj")
        )


def test_every_type_that_peft_refuses_is_known() -> None:
    from peft import LoraConfig
    from peft.tuners.tuners_utils import _check_lora_target_modules_mamba

    for kind in ("falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h", "llama", "jamba"):
        config = type("Config", (), {"model_type": kind, "get_text_config": lambda self: self})()
        model = type("Model", (), {"config": config})()
        try:
            _check_lora_target_modules_mamba(LoraConfig(), model, "out_proj")
            refused = False
        except ValueError:
            refused = True
        assert refused == ("out_proj" in fused_layers(model))


def test_pairs_longer_than_the_positions_are_left_out(llama: Path, tmp_path: Path) -> None:
    model = tiny("gpt2", llama, tmp_path / "model", max_position_embeddings=64)
    long = replace(make_pair(1), prompt_id="long", chosen=REFUSE * 8)
    config = tiny_config(epochs=1, batch_size=1, warmup_ratio=0.0)
    done = train([*make_pairs(2), long], model=model, config=config, output=tmp_path / "t")
    assert done.too_long == 1
    with pytest.raises(TrainingError, match="longer than the 64 positions of the model"):
        train([long], model=model, config=config, output=tmp_path / "none")
    lessons = [Lesson("a", (), REFUSE), Lesson("b", (), REFUSE * 8)]
    done = train_lessons(lessons, model=model, config=config, output=tmp_path / "lessons")
    assert done.too_long == 1


@pytest.mark.parametrize("of", ["pairs", "lessons"])
def test_padding_beyond_the_embeddings_is_not_used(of: str, llama: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tmp_path / "model"
    shutil.copytree(llama, folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(str(folder))
    config = tiny_config(epochs=1)
    if of == "pairs":
        assert (
            train(
                make_pairs(4),
                model=str(folder),
                config=config.model_copy(update={"warmup_ratio": 0.0}),
                output=tmp_path / "t",
            ).steps
            == 1
        )
        return
    lessons = [Lesson(str(n), (), REFUSE * (1 + n)) for n in range(8)]
    assert train_lessons(lessons, model=str(folder), config=config, output=tmp_path / "t").steps


def test_a_token_without_embedding_is_refused(llama: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tmp_path / "model"
    shutil.copytree(llama, folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    tokenizer.add_tokens(["<aside>"])
    tokenizer.save_pretrained(str(folder))
    pairs = [replace(pair, chosen="<aside> " + pair.chosen) for pair in make_pairs(4)]
    with pytest.raises(TrainingError, match="tokens were added to the tokenizer alone"):
        train(pairs, model=str(folder), config=tiny_config(), output=tmp_path / "t")


def test_pairs_that_cannot_be_learned_are_refused(llama: Path, tmp_path: Path) -> None:
    pairs = make_pairs(4)
    same = [*pairs, replace(make_pair(9), rejected=make_pair(9).chosen)]
    swapped = [*pairs, replace(pairs[0], chosen=pairs[0].rejected, rejected=pairs[0].chosen)]
    for found in (same, swapped):
        with pytest.raises(TrainingError, match="T007"):
            train(found, model=str(llama), config=tiny_config(), output=tmp_path / "t")
    assert not (tmp_path / "t").exists()  # before anything is loaded or written


def test_max_steps_never_go_on_beyond_the_epochs(llama: Path, tmp_path: Path) -> None:
    config = tiny_config(max_steps=50)
    assert train(make_pairs(), model=str(llama), config=config, output=tmp_path).steps == 6
