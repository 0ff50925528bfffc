"""Shared and packed rows through weights that are split over two processes (FSDP2, gloo)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ..helpers.tiny_model import make_tiny_model

SCRIPT = """
import sys
import torch
import torch.distributed as dist
from anlage.trainer.logps import _inputs
from anlage.trainer.shared_prefix import share_prompts
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

def load():
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    add_fused_lm_head(model)
    return model

def logps(model):
    inputs = _inputs(rows, model)
    return model(**inputs, shift_labels=rows.labels, fused_lm_head=True).log_probs

dist.init_process_group("gloo")
rows = share_prompts(torch.load(sys.argv[2], weights_only=True), pairs_per_row=2)
whole, split = load(), load()
mesh = init_device_mesh("cpu", (dist.get_world_size(),))
for layer in [*split.model.layers, split]:
    fully_shard(layer, mesh=mesh)
ours, theirs = logps(whole), logps(split)
torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)
ours.sum().backward()
theirs.sum().backward()
for ours, theirs in zip(whole.parameters(), split.parameters(), strict=True):
    torch.testing.assert_close(ours.grad, theirs.grad.full_tensor(), atol=1e-3, rtol=1e-3)
print("the same", flush=True)
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_split_weights_give_the_same_log_probs_and_gradients(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model")
    ids = torch.randint(3, 200, (4, 12), generator=torch.Generator().manual_seed(0))
    ids[2:, :5] = ids[:2, :5]  # two pairs, prompts of five tokens
    filled, answer = torch.ones_like(ids), torch.zeros_like(ids)
    answer[:, 5:] = 1
    filled[2, 9:] = answer[2, 9:] = 0
    batch = {"input_ids": ids, "attention_mask": filled, "completion_mask": answer}
    torch.save(batch, tmp_path / "batch.pt")
    (tmp_path / "split.py").write_text(SCRIPT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--master_port", str(port), str(tmp_path / "split.py")]
    done = subprocess.run(
        [*command, str(model), str(tmp_path / "batch.pt")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("the same") == 2
