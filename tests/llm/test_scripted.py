"""The scripted model, loading by name, sampling, and what importing costs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from anlage.errors import ModelNotFoundError, NotSupportedError
from anlage.llm.local import embedded
from anlage.llm.local.sampling import choose_tokens, uniform_numbers
from anlage.llm.message import Message
from anlage.llm.models import load_model
from anlage.llm.request import Completion, Request
from anlage.llm.scripted import ScriptedModel


def ask(text: str, prefill: str = "", max_tokens: int = 128, temperature: float = 0.0) -> Request:
    return Request(
        (Message("user", text),), prefill=prefill, max_tokens=max_tokens, temperature=temperature
    )


def answer(model: ScriptedModel, request: Request) -> Completion:
    [found] = asyncio.run(model.complete([request]))
    return found


def test_rules_come_before_the_default_text() -> None:
    model = ScriptedModel([("lock", "No."), ("river|lock", "Yes.")])
    assert [answer(model, ask(t)).text for t in ("a lock", "a river")] == ["No.", "Yes."]
    assert answer(model, ask("something", prefill="lock")).text == "No."
    assert "garden" in answer(model, ask("garden")).text
    assert model.calls == 4
    called = ScriptedModel(lambda request: request.prefill.upper() or None)
    assert answer(called, ask("a", prefill="so")).text == "SO"


def test_the_default_text_is_seeded_and_follows_the_request() -> None:
    texts = {
        answer(ScriptedModel(seed=seed), ask(text)).text
        for seed in (0, 0, 1)
        for text in ("the old garden", "the old river")
    }
    assert len(texts) == 4


def test_long_answers_are_cut_and_say_so() -> None:
    cut = answer(ScriptedModel([("", "one two three")]), ask("x", max_tokens=2))
    assert (cut.text, cut.finish, cut.outcome.kind) == ("one two", "length", "truncated")


def test_scores_are_deterministic_or_supplied() -> None:
    text = (ask("x"), "three small words")
    first, second = asyncio.run(ScriptedModel().score([text, text]))
    assert first == second
    assert -4 <= first.mean <= -1
    [given] = asyncio.run(ScriptedModel(scorer=lambda _, said: -float(len(said))).score([text]))
    assert given.logprob == -17


def test_models_are_loaded_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert isinstance(load_model("scripted", batch_size=5), ScriptedModel)
    with pytest.raises(NotSupportedError, match="no weights"):
        load_model("scripted", adapter=tmp_path)
    with pytest.raises(ModelNotFoundError, match="Did you mean 'smollm2-135m'"):
        load_model("./smollm2-135")


def test_the_embedded_model_is_unpacked_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "models" / "unpacked"

    def broken(gguf: Path, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded, "_convert", broken)
    with pytest.raises(KeyboardInterrupt):
        embedded._unpacked(tmp_path / "x.gguf", target)
    assert list(target.parent.iterdir()) == []

    def late(gguf: Path, folder: Path) -> None:
        (folder / "config.json").write_text("mine")
        target.mkdir()  # another process comes first
        (target / "config.json").write_text("theirs")

    monkeypatch.setattr(embedded, "_convert", late)
    assert embedded._unpacked(tmp_path / "x.gguf", target) == target
    assert (target / "config.json").read_text() == "theirs"
    assert list(target.parent.iterdir()) == [target]


def test_greedy_and_nucleus_by_hand() -> None:
    # Row probabilities 0.5, 0.3, 0.2; top_p 0.7 leaves 0.5 and 0.3.
    logits = torch.tensor([[0.2, 0.5, 0.3]]).log().repeat(6, 1)
    warm = torch.tensor([0.0, 1, 1, 1, 1, 1])
    top_p = torch.tensor([1, 0.7, 0.7, 1, 1, 0.1], dtype=torch.float64)
    draw = torch.tensor([0.99, 0.62, 0.63, 0.81, 0.79, 0.99], dtype=torch.float64)
    assert choose_tokens(logits, warm, top_p, draw).tolist() == [1, 1, 2, 0, 2, 1]


def test_sampled_shares_match_the_probabilities_of_a_flat_row() -> None:
    # 1000 tokens: the nucleus does not fit into the first candidates.
    steps = 4000
    [numbers] = uniform_numbers([ask("x", temperature=1.0)], steps)
    logits = torch.zeros(steps, 1000)
    logits[:, 500:] -= 1.0
    chosen = choose_tokens(
        logits, torch.ones(steps), torch.ones(steps, dtype=torch.float64), numbers
    )
    expected = 1 / (1 + 2.718281828**-1)  # 0.731, standard error 0.007
    assert (chosen < 500).double().mean().item() == pytest.approx(expected, abs=0.03)
    assert numbers[:10].equal(uniform_numbers([ask("x", temperature=1.0)], 10)[0])


def test_requests_store_and_script_load_without_torch() -> None:
    code = (
        "import sys, anlage.store.store, anlage.llm.cached, anlage.llm.models\n"
        "import anlage.llm.local.embedded\n"
        "print([m for m in ('torch', 'transformers', 'langchain', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
