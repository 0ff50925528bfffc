"""A prompt computed once for both answers gives what computing it twice gives."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.trainer.assembly import load_start, make_trainer
from anlage.trainer.guards import quiet
from anlage.trainer.logps import causal_model, choose_layout, completion_logps
from anlage.trainer.result import TrainedModel
from anlage.trainer.rows import tokenize
from anlage.trainer.shared_prefix import (
    block_mask,
    dense_mask,
    share_prompts,
    use_attention,
    use_flex,
    uses_flex,
    why_not_flex,
    why_not_shared,
)
from anlage.trainer.soft_dpo import soft_dpo_loss
from anlage.trainer.train import train
from safetensors.torch import load_file
from torch.nn import functional

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pair, make_pairs, tiny_config


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_model(tmp_path_factory.mktemp("model")))


def build(model: str, folder: Path, count: int = 6, **changes: Any) -> tuple[Any, list[Any]]:
    config = tiny_config(**changes)
    with quiet():
        start = load_start(model, config)
        rows = list(tokenize(make_pairs(count), start.tokenizer, 512).rows)
        trainer: Any = make_trainer(start, rows, config, folder)
    torch.manual_seed(1)
    for name, weight in trainer.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return trainer, rows


def test_layout_by_hand() -> None:
    batch = {
        # prompt 1 2, chosen 3 4 5, rejected 6
        "input_ids": torch.tensor([[1, 2, 3, 4, 5], [1, 2, 6, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
        "completion_mask": torch.tensor([[0, 0, 1, 1, 1], [0, 0, 1, 0, 0]]),
    }
    rows = share_prompts(batch)
    # 1 | 2 3 4 5 | 2 6: the prompt's last token stands in front of both answers.
    assert rows.ids.tolist() == [[1, 2, 3, 4, 5, 2, 6]]
    assert rows.positions.tolist() == [[0, 1, 2, 3, 4, 1, 2]]
    assert rows.labels.tolist() == [[-100, 3, 4, 5, -100, 6, -100]]
    assert rows.owners.tolist() == [[0, 0, 0, 0, 0, 1, 0]]
    assert dense_mask(rows)[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0],
        [1, 0, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 1, 1],
    ]


def test_two_pairs_in_a_row_by_hand() -> None:
    batch = {
        # prompt 1 2 with chosen 3 and rejected 4; prompt 5 6 with chosen 7 8 and rejected 9
        "input_ids": torch.tensor([[1, 2, 3, 0], [5, 6, 7, 8], [1, 2, 4, 0], [5, 6, 9, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 0]]),
        "completion_mask": torch.tensor([[0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 1, 0]]),
    }
    rows = share_prompts(batch, pairs_per_row=2)
    assert rows.ids.tolist() == [[1, 2, 3, 2, 4, 5, 6, 7, 8, 6, 9]]
    assert rows.positions.tolist() == [[0, 1, 2, 1, 2, 0, 1, 2, 3, 1, 2]]
    assert rows.labels.tolist() == [[-100, 3, -100, 4, -100, -100, 7, 8, -100, 9, -100]]
    assert rows.owners.tolist() == [[0, 0, 0, 2, 0, 0, 1, 1, 0, 3, 0]]
    mask = dense_mask(rows)[0, 0]
    assert not mask[5:, :5].any()  # the second pair never looks at the first
    assert mask[9].int().tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0]


def test_padding_sees_itself_and_nothing_sees_it() -> None:
    batch = {
        "input_ids": torch.tensor([[1, 2, 3], [5, 6, 7], [1, 2, 4], [5, 6, 9]]),
        "attention_mask": torch.tensor([[1, 1, 1]] * 4),
        "completion_mask": torch.tensor([[0, 1, 1], [0, 0, 1], [0, 1, 1], [0, 0, 1]]),
    }
    rows = share_prompts(batch)  # the first pair is longer by one
    assert rows.pairs.tolist() == [[0] * 6, [1] * 5 + [-1]]
    mask = dense_mask(rows)[1, 0]
    assert mask[5].int().tolist() == [0, 0, 0, 0, 0, 1]
    assert not mask[:5, 5].any()


@pytest.mark.parametrize("method", ["lora", "full"])
def test_same_losses_and_gradients_as_plain_rows(model: str, tmp_path: Path, method: str) -> None:
    trainer, rows = build(model, tmp_path, method=method)
    refs = [{**row, "ref_chosen_logps": -150.0, "ref_rejected_logps": -149.0} for row in rows]
    batch = trainer.data_collator(refs)
    found = []
    for shared, per_row in ((False, 1), (True, 1), (True, 4)):
        trainer.shares_prompts, trainer.pairs_per_row = shared, per_row
        trainer.model.zero_grad()
        loss = trainer._compute_loss(trainer.model, batch, False)
        loss.backward()
        grads = [p.grad.clone() for p in trainer.model.parameters() if p.requires_grad]
        logps, _ = completion_logps(trainer, trainer.model, batch)
        found.append((loss.item(), grads, logps.detach()))
    loss, gradients, expected = found[0]
    for other_loss, other_gradients, logps in found[1:]:
        assert other_loss == pytest.approx(loss, abs=1e-5)
        torch.testing.assert_close(logps, expected, atol=1e-3, rtol=1e-5)
        for plain, shared in zip(gradients, other_gradients, strict=True):
            torch.testing.assert_close(plain, shared, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("per_row", [1, 3])
def test_in_bfloat16_the_mean_difference_is_small(model: str, tmp_path: Path, per_row: int) -> None:
    trainer, rows = build(model, tmp_path, count=24, dtype="bfloat16")
    batch = trainer.data_collator(
        [{**row, "ref_chosen_logps": 0.0, "ref_rejected_logps": 0.0} for row in rows]
    )
    with torch.no_grad():
        plain, tokens = completion_logps(trainer, trainer.model, batch)
        trainer.shares_prompts, trainer.pairs_per_row = True, per_row
        shared, _ = completion_logps(trainer, trainer.model, batch)
    per_token = (plain - shared) / tokens
    assert float(per_token.abs().max()) > 0  # rounding is there, so the bounds say something
    assert abs(float(per_token.mean())) < 2e-3
    assert float(per_token.abs().max()) < 5e-2


@pytest.mark.parametrize("per_row", [1, 4])
def test_one_pass_through_the_wrapped_model_gives_the_same(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_row: int
) -> None:
    """What several processes and GPUs do: TRL's fused output layer on shared rows."""
    trainer, rows = build(model, tmp_path)
    batch = trainer.data_collator(
        [{**row, "ref_chosen_logps": -150.0, "ref_rejected_logps": -149.0} for row in rows]
    )
    found = []
    for shared in (False, True):
        trainer.shares_prompts, trainer.pairs_per_row = shared, per_row
        if shared:
            monkeypatch.setattr("anlage.trainer.logps.runs_direct", lambda trainer: False)
        trainer.model.zero_grad()
        trainer._compute_loss(trainer.model, batch, False).backward()
        gradients = [p.grad.clone() for p in trainer.model.parameters() if p.requires_grad]
        logps, _ = completion_logps(trainer, trainer.model, batch)
        found.append((logps.detach(), gradients))
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-3, rtol=1e-5)
    for direct, wrapped in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(direct, wrapped, atol=1e-5, rtol=1e-3)


def test_the_rejected_answer_does_not_see_the_chosen_one(model: str, tmp_path: Path) -> None:
    trainer, rows = build(model, tmp_path)
    trainer.shares_prompts = True
    other = [{**row, "chosen_ids": list(reversed(row["chosen_ids"]))} for row in rows]
    refs = {"ref_chosen_logps": 0.0, "ref_rejected_logps": 0.0}
    with torch.no_grad():
        first, second = (
            completion_logps(
                trainer, trainer.model, trainer.data_collator([{**row, **refs} for row in some])
            )[0]
            for some in (rows, other)
        )
    assert not torch.allclose(first[:6], second[:6], atol=1e-2)
    torch.testing.assert_close(first[6:], second[6:], atol=1e-4, rtol=1e-5)


def test_one_pass_of_eight_pairs_equals_eight_passes_of_one(model: str, tmp_path: Path) -> None:
    pairs = [make_pair(n, weight=1 + n / 4, p_chosen=0.6 + n / 30) for n in range(8)]
    weights = []
    ways = [(8, 1, True, 1), (1, 8, True, 1), (8, 1, False, 1), (8, 1, True, 4)]
    for number, (size, passes, share, per_row) in enumerate(ways):
        config = tiny_config(
            batch_size=size,
            gradient_accumulation=passes,
            share_prompts=share,
            pairs_per_row=per_row,
            epochs=1,
            scheduler="constant",
        )
        result = train(
            pairs,
            model=model,
            config=config,
            output=tmp_path / str(number),
            on_progress=lambda done, total: None,
        )
        assert result.steps == 1
        packed = ", 4 pairs in a row" if per_row > 1 else ""
        assert result.layout.startswith(f"prompts shared{packed}" if share else "plain batches")
        weights.append(load_file(result.path / "adapter_model.safetensors"))
    assert any(value.abs().max() > 0 for name, value in weights[0].items() if "lora_B" in name)
    for other in weights[1:]:
        for name, value in weights[0].items():
            torch.testing.assert_close(value, other[name], atol=2e-5, rtol=1e-3)


def test_models_that_cannot_share_say_why(model: str, tmp_path: Path) -> None:
    trainer, rows = build(model, tmp_path)
    causal = trainer.model.get_base_model()
    assert why_not_shared(causal) == ""
    assert choose_layout(trainer, rows) == "prompts shared"
    causal.config.sliding_window = 16
    assert choose_layout(trainer, rows) == "plain batches: its attention has a sliding window"
    assert not trainer.shares_prompts
    causal.config.sliding_window = None
    causal.config.layer_types = ["linear_attention", "full_attention"]
    assert "linear_attention" in why_not_shared(causal)


def test_a_model_that_ignores_the_mask_is_found_out(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, rows = build(model, tmp_path)
    decoder = trainer.model.get_base_model().base_model
    forward = decoder.forward

    def deaf(**given: Any) -> Any:
        if given["attention_mask"].dim() == 4:
            given["attention_mask"] = None
        return forward(**given)

    monkeypatch.setattr(decoder, "forward", deaf)
    monkeypatch.setattr("anlage.trainer.logps.why_not_shared", lambda model: "")
    assert choose_layout(trainer, rows).startswith("plain batches: shared prompts change log-probs")
    assert not trainer.shares_prompts


def test_how_it_was_computed_is_kept(model: str, tmp_path: Path) -> None:
    train(
        make_pairs(4),
        model=model,
        config=tiny_config(epochs=1, scheduler="constant"),
        output=tmp_path,
        on_progress=lambda done, total: None,
    )
    assert TrainedModel.read(tmp_path).layout == "prompts shared"


def test_geometric_form_has_the_values_worked_out_by_hand() -> None:
    delta = torch.tensor([20.0, 20.0, -20.0, 20.0], requires_grad=True)
    p = torch.tensor([1.0, 0.75, 1.0, 0.5])
    loss = soft_dpo_loss(delta, p, torch.tensor([1.0, 2.0, 1.0, 1.0]), 0.1, "geometric")
    # -log sig(2), -2 log sig(1), -log sig(-2), -log sig(0)
    expected = torch.tensor([0.126928, 2 * 0.313262, 2.126928, 0.693147])
    torch.testing.assert_close(loss.detach(), expected, atol=1e-5, rtol=0)
    (slope,) = torch.autograd.grad(loss.sum(), delta)
    assert slope[3] == 0
    assert (slope[:3] < 0).all()


def test_certain_labels_are_the_same_in_both_forms() -> None:
    delta, one = torch.tensor([3.0, -7.0]), torch.ones(2)
    torch.testing.assert_close(
        soft_dpo_loss(delta, one, one, 0.5, "geometric"), -functional.logsigmoid(0.5 * delta)
    )


@pytest.fixture
def trainer(tmp_path: Path) -> Any:
    config = tiny_config()
    with quiet():
        start = load_start(str(make_tiny_model(tmp_path / "model")), config)
        rows = tokenize(make_pairs(6), start.tokenizer, 512).rows
        made: Any = make_trainer(start, rows, config, tmp_path / "out")
    made.model.eval()
    return made


def batch_of(trainer: Any) -> dict[str, torch.Tensor]:
    refs = {"ref_chosen_logps": 0.0, "ref_rejected_logps": 0.0}
    batch: dict[str, torch.Tensor] = trainer.data_collator(
        [{**row, **refs} for row in trainer.train_dataset.to_list()]
    )
    return batch


def eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.nn.attention.flex_attention import flex_attention

    def call(query: Any, key: Any, value: Any, training: bool = False, **rest: Any) -> Any:
        return flex_attention(query, key, value, **rest)

    monkeypatch.setattr(
        "transformers.integrations.flex_attention.compile_friendly_flex_attention", call
    )


@pytest.mark.parametrize("per_row", [1, 3])
def test_both_masks_allow_the_same(trainer: Any, per_row: int) -> None:
    rows = share_prompts(batch_of(trainer), per_row)
    blocks = block_mask(rows)
    count, width = rows.ids.shape
    places = torch.arange(width)
    for row in range(count):
        allowed = blocks.mask_mod(torch.tensor(row), None, places[:, None], places[None])
        real = rows.pairs[row] >= 0
        assert torch.equal(allowed[real], dense_mask(rows)[row, 0][real])


def both_ways(trainer: Any, per_row: int) -> list[torch.Tensor]:
    batch, found = batch_of(trainer), []
    trainer.shares_prompts, trainer.pairs_per_row = True, per_row
    causal = causal_model(trainer)
    with torch.no_grad():
        found.append(completion_logps(trainer, trainer.model, batch)[0])
        before = use_flex(causal)
        assert uses_flex(causal)
        found.append(completion_logps(trainer, trainer.model, batch)[0])
    use_attention(causal, before)
    assert not uses_flex(causal)
    return found


@pytest.mark.parametrize("per_row", [1, 4])
def test_flex_attention_gives_the_same_log_probs(
    trainer: Any, monkeypatch: pytest.MonkeyPatch, per_row: int
) -> None:
    eagerly(monkeypatch)
    dense, flex = both_ways(trainer, per_row)
    torch.testing.assert_close(dense, flex, atol=1e-3, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_flex_attention_gives_the_same_log_probs(trainer: Any) -> None:
    dense, flex = both_ways(trainer, 4)
    torch.testing.assert_close(dense, flex, atol=1e-3, rtol=1e-5)


def test_a_kernel_that_fails_is_given_up_for_a_dense_mask(
    trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    causal = causal_model(trainer)
    rows = trainer.train_dataset.to_list()
    assert why_not_flex(causal) == "no CUDA"
    eagerly(monkeypatch)
    # As on a GPU: but a CPU has no backward pass for it.
    monkeypatch.setattr("anlage.trainer.logps.why_not_flex", lambda model: "")
    assert choose_layout(trainer, rows, pairs_per_row=2) == "prompts shared, 2 pairs in a row"
    assert not uses_flex(causal)
    assert trainer.shares_prompts
