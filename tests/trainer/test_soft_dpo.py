from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.trainer.assembly import load_start, make_trainer
from anlage.trainer.guards import quiet
from anlage.trainer.logps import choose_layout, completion_logps
from anlage.trainer.rows import tokenize
from anlage.trainer.soft_dpo import soft_dpo_loss
from anlage.trainer.train import train

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs, tiny_config


def loss_of(delta: float, p: float, weight: float, beta: float) -> float:
    row = [torch.tensor([value]) for value in (delta, p, weight)]
    return float(soft_dpo_loss(row[0], row[1], row[2], beta))


@pytest.mark.parametrize(
    ("delta", "p", "weight", "beta", "expected"),
    [
        # d = 0: both terms are log 2, whatever p.
        (0.0, 1.0, 1.0, 0.1, math.log(2)),
        (0.0, 0.6, 1.0, 0.1, math.log(2)),
        # beta d = 2 by hand: log(1 + e^-2) = 0.126928, log(1 + e^2) = 2.126928.
        (20.0, 1.0, 1.0, 0.1, 0.126928),
        (20.0, 0.95, 1.0, 0.1, 0.95 * 0.126928 + 0.05 * 2.126928),
        (20.0, 0.95, 3.0, 0.1, 3 * (0.95 * 0.126928 + 0.05 * 2.126928)),
        (-20.0, 1.0, 1.0, 0.1, 2.126928),
        # The optimum of p = 0.95 is beta d = log 19; there the loss is the label's entropy.
        (10 * math.log(19), 0.95, 1.0, 0.1, -0.95 * math.log(0.95) - 0.05 * math.log(0.05)),
    ],
)
def test_loss_has_the_values_worked_out_by_hand(
    delta: float, p: float, weight: float, beta: float, expected: float
) -> None:
    assert loss_of(delta, p, weight, beta) == pytest.approx(expected, abs=1e-5)


def test_soft_labels_pull_back_a_margin_that_went_too_far() -> None:
    delta = torch.tensor([10.0, 60.0], requires_grad=True)
    loss = soft_dpo_loss(delta, torch.full((2,), 0.95), torch.ones(2), 0.1).sum()
    (slope,) = torch.autograd.grad(loss, delta)
    assert slope[0] < 0 < slope[1]  # below log(19) / beta rise, above it fall


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(make_tiny_model(tmp_path / "model"))


def trainer_and_batch(model: str, folder: Path, **changes: Any) -> tuple[Any, Any, dict[str, Any]]:
    """A trainer whose adapter has been moved off zero, and one batch for it."""
    config = tiny_config(**changes)
    with quiet():
        start = load_start(model, config)
        pairs = make_pairs(6, p_chosen=1.0)
        rows = tokenize(pairs, start.tokenizer, 512).rows
        trainer: Any = make_trainer(start, rows, config, folder)
    torch.manual_seed(1)
    for name, weight in trainer.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    batch = trainer.data_collator(list(rows))
    batch["ref_chosen_logps"] = -torch.arange(6.0) - 150
    batch["ref_rejected_logps"] = torch.arange(6.0) - 150
    return start, trainer, batch


@pytest.mark.parametrize("sft_weight", [0.0, 0.3])
def test_certain_labels_give_trls_own_loss_and_gradient(
    model: str, tmp_path: Path, sft_weight: float
) -> None:
    from trl.trainer.dpo_trainer import DPOTrainer

    _, trainer, batch = trainer_and_batch(model, tmp_path / "out", sft_weight=sft_weight)
    stock = {k: v for k, v in batch.items() if k not in ("p_chosen", "weight")}
    compute: Any = DPOTrainer._compute_loss
    gradients = []
    losses = []
    for loss in (
        trainer._compute_loss(trainer.model, batch, False),
        compute(trainer, trainer.model, stock, False),
    ):
        trainer.model.zero_grad()
        loss.backward()
        losses.append(loss.item())
        gradients.append([p.grad.clone() for p in trainer.model.parameters() if p.requires_grad])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0] != pytest.approx(math.log(2), abs=1e-2)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("loss", ["hinge", "ipo", "apo_zero", "discopop", "sigmoid_norm"])
def test_other_losses_are_trls_own(model: str, tmp_path: Path, loss: str) -> None:
    from trl.trainer.dpo_trainer import DPOTrainer

    _, trainer, batch = trainer_and_batch(model, tmp_path / "out", loss=loss)
    assert trainer.loss_types == [loss, "sft"]
    compute: Any = DPOTrainer._compute_loss
    stock = {k: v for k, v in batch.items() if k not in ("p_chosen", "weight")}
    expected = compute(trainer, trainer.model, stock, False)
    ours = trainer._compute_loss(trainer.model, {**batch, "weight": 2 * batch["weight"]}, False)
    torch.testing.assert_close(ours, expected)
    assert choose_layout(trainer, trainer.train_dataset.to_list()).endswith("loss is TRL's own")


def test_another_loss_trains(model: str, tmp_path: Path) -> None:
    result = train(
        make_pairs(4),
        model=model,
        config=tiny_config(loss="ipo", epochs=1, warmup_ratio=0.0),
        output=tmp_path / "out",
        on_progress=lambda done, total: None,
    )
    assert result.layout == "plain batches: the loss is TRL's own"
    assert result.steps == 1


def test_weight_and_label_of_each_row_reach_the_loss(model: str, tmp_path: Path) -> None:
    _, trainer, batch = trainer_and_batch(model, tmp_path / "out")
    first = float(trainer._compute_loss(trainer.model, batch, False))
    doubled = {**batch, "weight": 2 * batch["weight"]}
    assert float(trainer._compute_loss(trainer.model, doubled, False)) == pytest.approx(2 * first)
    only = torch.tensor([1.0, 1, 1, 1, 1, 0.5])
    softer = float(trainer._compute_loss(trainer.model, {**batch, "p_chosen": only}, False))
    assert softer != pytest.approx(first, abs=1e-4)


def test_log_probs_equal_a_loop_over_single_rows(model: str, tmp_path: Path) -> None:
    _, trainer, batch = trainer_and_batch(model, tmp_path / "out")
    rows = trainer.train_dataset.to_list()
    with torch.no_grad():
        ours, tokens = completion_logps(trainer, trainer.model, batch)
    expected = []
    for side in ("chosen_ids", "rejected_ids"):
        for row in rows:
            ids = torch.tensor([row["prompt_ids"] + row[side]])
            with torch.no_grad():
                logp = trainer.model(input_ids=ids).logits[0].float().log_softmax(-1)  # (T, V)
            first = len(row["prompt_ids"])
            expected.append(sum(float(logp[t - 1, ids[0, t]]) for t in range(first, len(ids[0]))))
    torch.testing.assert_close(ours, torch.tensor(expected), atol=1e-3, rtol=1e-5)
    assert tokens.tolist() == [len(r[s]) for s in ("chosen_ids", "rejected_ids") for r in rows]


def test_direct_and_fused_log_probs_agree(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, trainer, batch = trainer_and_batch(model, tmp_path / "out")
    direct, _ = completion_logps(trainer, trainer.model, batch)
    monkeypatch.setattr("anlage.trainer.logps.runs_direct", lambda trainer: False)
    fused, _ = completion_logps(trainer, trainer.model, batch)
    torch.testing.assert_close(direct, fused, atol=1e-3, rtol=1e-5)


def test_the_end_of_turn_token_is_trained_and_nothing_after_it(model: str, tmp_path: Path) -> None:
    start, _, batch = trainer_and_batch(model, tmp_path / "out")
    end = start.tokenizer.eos_token_id
    for ids, mask in zip(batch["input_ids"], batch["completion_mask"], strict=True):
        trained = ids[mask.bool()].tolist()
        assert trained[-1] == end
        assert end not in trained[:-1]
