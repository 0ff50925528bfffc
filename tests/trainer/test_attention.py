"""FlexAttention gives what the dense mask gives. Without a GPU: forward only, and not timed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.trainer.assembly import load_start, make_trainer
from anlage.trainer.attention import use_attention, use_flex, uses_flex, why_not_flex
from anlage.trainer.guards import quiet
from anlage.trainer.layout import choose_layout
from anlage.trainer.logps import causal_model, completion_logps
from anlage.trainer.rows import tokenize
from anlage.trainer.shared_prefix import block_mask, dense_mask, share_prompts

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs, tiny_config


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
    monkeypatch.setattr("anlage.trainer.layout.why_not_flex", lambda model: "")
    assert choose_layout(trainer, rows, pairs_per_row=2) == "prompts shared, 2 pairs in a row"
    assert not uses_flex(causal)
    assert trainer.shares_prompts
