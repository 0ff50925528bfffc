"""What a local model may not do: serve another model's answers, or lose many for one."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.critic.compare import ComparisonItem, compare
from anlage.evaluation.judges.judging import Judged, LlmJudge
from anlage.evaluation.probe import measure_probe
from anlage.llm.cached import CachedModel
from anlage.llm.local.encoding import encode_scored
from anlage.llm.local.fingerprint import combine, hash_tokenizer, hash_weights
from anlage.llm.local.model import LocalModel
from anlage.llm.message import Message
from anlage.llm.request import Request
from anlage.store.store import Store

from ...helpers.conditions import labelled_pairs
from ...helpers.tiny_model import make_tiny_model
from ...helpers.tokenizers import TEMPLATES, make_tokenizer, shipped_templates

LONG = "word " * 1100


def ask(text: str, **more: Any) -> Request:  # ** is the signature of Request
    return Request((Message("user", text),), **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def broken(folder: Path) -> LocalModel:
    """A model that gives no numbers once it has read a Z."""
    found = LocalModel.load(folder, dtype="float32")
    (token,) = found.tokenizer("Z", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        weight = found.model.get_input_embeddings().weight
        found.model.lm_head.weight = torch.nn.Parameter(weight.clone())
        weight[token] = math.nan
    return found


# --- identity


def test_a_default_generation_config_adds_nothing_to_the_fingerprint(folder: Path) -> None:
    model = LocalModel.load(folder, dtype="float32")
    parts = {
        "weights": hash_weights(folder),
        "adapter": "",
        "tokenizer": hash_tokenizer(model.tokenizer),
        "dtype": "torch.float32",
    }
    assert model.fingerprint == combine(parts)


def test_other_stop_tokens_are_another_model(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    config = json.loads((other / "generation_config.json").read_text())
    first = LocalModel.load(folder, dtype="float32")
    request = ask("Tell me about boats.", max_tokens=40)
    with Store(tmp_path / "calls.sqlite") as store:
        (one,) = asyncio.run(CachedModel(first, store).complete([request]))
        config["eos_token_id"] = [config["eos_token_id"], *range(3, 390)]
        (other / "generation_config.json").write_text(json.dumps(config))
        second = LocalModel.load(other, dtype="float32")
        (two,) = asyncio.run(CachedModel(second, store).complete([request]))
    assert first.fingerprint != second.fingerprint
    assert not two.cached
    assert two.text == asyncio.run(second.complete([request]))[0].text != one.text


def test_the_same_stops_in_another_form_are_the_same_model(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    config = json.loads((other / "generation_config.json").read_text())
    config |= {"eos_token_id": [config["eos_token_id"]], "temperature": 0.7, "do_sample": True}
    (other / "generation_config.json").write_text(json.dumps(config))
    same = LocalModel.load(other, dtype="float32").fingerprint
    assert same == LocalModel.load(folder, dtype="float32").fingerprint


def test_a_tokenizer_that_cleans_up_is_another_model(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    config = json.loads((other / "tokenizer_config.json").read_text())
    (other / "tokenizer_config.json").write_text(
        json.dumps(config | {"clean_up_tokenization_spaces": True})
    )
    found = {LocalModel.load(one, dtype="float32").fingerprint for one in (folder, other)}
    assert len(found) == 2


def test_generation_stops_where_training_ends(folder: Path) -> None:
    gemma = make_tokenizer("bytes", shipped_templates()["gemma"])
    net = LocalModel.load(folder, dtype="float32").model
    stops = LocalModel(net, gemma).stop_ids
    assert gemma.convert_tokens_to_ids("<end_of_turn>") in stops
    assert gemma.eos_token_id in stops


# --- one bad value fails alone


def test_one_answer_without_numbers_fails_alone_and_is_stored(
    broken: LocalModel, tmp_path: Path
) -> None:
    asked = [ask(text, max_tokens=5) for text in ("Why?", "Why Z?", "How?")]
    with Store(tmp_path / "calls.sqlite") as store:
        found = asyncio.run(CachedModel(broken, store).complete(asked))
        again = asyncio.run(CachedModel(broken, store).complete(asked))
    assert [one.outcome.kind == "malformed" for one in found] == [False, True, False]
    assert "not finite" in found[1].outcome.reason
    assert found[1].finish == "error"
    assert all(one.cached for one in again)
    assert again[1].outcome == found[1].outcome


def test_one_score_that_is_no_number_is_stored_with_its_reason(
    broken: LocalModel, tmp_path: Path
) -> None:
    texts = [(ask(text), answer) for text in ("Why?", "Why Z?", LONG) for answer in ("I", "So")]
    with Store(tmp_path / "calls.sqlite") as store:
        found = asyncio.run(CachedModel(broken, store).score(texts))
        again = asyncio.run(CachedModel(broken, store).score(texts))
        assert store.count("score") == len(texts)
    assert [math.isfinite(one.logprob) for one in found] == [True, True, *[False] * 4]
    assert [bool(one.reason) for one in again] == [False, False, *[True] * 4]
    assert "exceeds the model's context" in again[4].reason
    assert [one.tokens for one in again] == [one.tokens for one in found]


def test_one_long_conversation_costs_no_other_comparison(folder: Path) -> None:
    model = LocalModel.load(folder, dtype="float32")
    short = [
        ComparisonItem((Message("user", f"question {n}"),), "Which?", "one", "two")
        for n in range(3)
    ]
    long = ComparisonItem((Message("user", LONG),), "Which?", "a", "b")
    alone = asyncio.run(compare(model, short))
    mixed = asyncio.run(compare(model, [*short[:1], long, *short[1:]]))
    assert mixed[1].outcome == "abstain"
    assert "exceeds the model's context" in mixed[1].failed
    kept = [mixed[0], *mixed[2:]]
    assert [one.outcome for one in kept] == [one.outcome for one in alone]
    for one, other in zip(kept, alone, strict=True):
        assert one.p_first == pytest.approx(other.p_first, abs=1e-4)


def test_one_long_answer_costs_no_other_ruling(folder: Path) -> None:
    judge = LlmJudge(LocalModel.load(folder, dtype="float32"))
    answers = [Judged(asked, "I did it like that.") for asked in ("how?", LONG)]
    one, two = asyncio.run(judge.rule(answers))
    assert one.verdict is not None
    assert two.verdict is None
    assert "exceeds the model's context" in two.error


def test_one_long_pair_costs_the_probe_no_other(folder: Path) -> None:
    model = LocalModel.load(folder, dtype="float32")
    pairs = labelled_pairs()[:4]
    whole = asyncio.run(measure_probe(model, pairs))
    mixed = asyncio.run(measure_probe(model, [*pairs, replace(pairs[0], good=LONG)]))
    assert [one.id for one in mixed] == [one.id for one in whole]


def test_a_refused_conversation_is_one_outcome(folder: Path) -> None:
    net = LocalModel.load(folder, dtype="float32").model
    model = LocalModel(net, make_tokenizer("bytes", TEMPLATES["refusing"]), fingerprint="x")
    told = Request((Message("system", "Be kind."), Message("user", "Why?")), max_tokens=3)
    refused, fine = asyncio.run(model.complete([told, ask("Why?", max_tokens=3)]))
    assert refused.outcome.kind == "error"
    assert "System role not supported" in refused.outcome.reason
    assert fine.outcome.kind != "error"
    scores = asyncio.run(model.score([(told, "No."), (ask("Why?"), "No.")]))
    assert [math.isnan(one.logprob) for one in scores] == [True, False]


# --- a shortcut is tried before it is believed


def networks() -> list[Any]:
    from transformers import (
        AutoModelForCausalLM,
        BloomConfig,
        FalconConfig,
        GPT2Config,
        GPTNeoConfig,
        MptConfig,
        OpenAIGPTConfig,
    )

    ids: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 2, "vocab_size": 512}
    kinds = [[["global", "local"], 2]]
    configs: list[Any] = [
        GPTNeoConfig(hidden_size=64, num_layers=4, num_heads=4, attention_types=kinds,
                     window_size=16, initializer_range=0.15, **ids),
        MptConfig(d_model=64, n_layers=4, n_heads=4, max_seq_len=1024, **ids),
        BloomConfig(hidden_size=64, n_layer=4, n_head=4, initializer_range=0.15, **ids),
        FalconConfig(hidden_size=64, num_hidden_layers=4, num_attention_heads=4, alibi=True,
                     initializer_range=0.15, **ids),
        GPT2Config(n_embd=64, n_layer=4, n_head=4, initializer_range=0.15, **ids),
        OpenAIGPTConfig(n_embd=64, n_layer=2, n_head=4, initializer_range=0.15, **ids),
    ]  # fmt: skip
    torch.manual_seed(0)
    make: Any = AutoModelForCausalLM
    return [make.from_config(config).eval() for config in configs]


@pytest.mark.parametrize("place", range(6))
def test_options_are_scored_as_one_by_one_whatever_the_model(place: int) -> None:
    net = networks()[place]
    tokenizer = make_tokenizer("bytes", TEMPLATES["chatml"])
    request = ask("How do I open the door of my own house when the key is lost? " * 3)
    answers = (" A", " B, because someone could be hurt.", " C")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = LocalModel(net, tokenizer, fingerprint="x")
        for _ in range(2):
            found = asyncio.run(model.score([(request, answer) for answer in answers]))
    for answer, score in zip(answers, found, strict=True):
        ids, count = encode_scored(tokenizer, request, answer)
        with torch.no_grad():
            logits = net(torch.tensor([ids])).logits[0].log_softmax(-1)
        places = range(len(ids) - count, len(ids))
        truth = sum(float(logits[place - 1, ids[place]]) for place in places)
        assert score.logprob == pytest.approx(truth, abs=1e-3)
    loud = [str(one.message) for one in said if "scored one by one" in str(one.message)]
    assert len(loud) == (net.config.model_type == "openai-gpt")  # once, not at every call
