"""Processor seconds of a step with one pair a row and with four, on the same batches.

    python benchmarks/packing.py [--size short] [--batches 4]

Forward and backward pass of four pairs that share prompts, LoRA r16, one thread. Both layouts
take turns batch by batch; the first batch warms up and is left out. Processor seconds, so that
what else runs on the machine hardly matters.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from anlage.benchmarks.train import SIZES, make_pairs
from anlage.trainer.assembly import compute_dtype, load_start, make_trainer
from anlage.trainer.config import TrainConfig
from anlage.trainer.guards import quiet
from anlage.trainer.logps import completion_logps
from anlage.trainer.rows import tokenize

PAIRS = 4


def seconds(trainer: Any, batch: dict[str, torch.Tensor], pairs_per_row: int) -> float:
    trainer.pairs_per_row = pairs_per_row
    begun = time.process_time()
    chosen, rejected = completion_logps(trainer, trainer.model, batch)[0].chunk(2)
    torch.autograd.backward(-F.logsigmoid(0.1 * (chosen - rejected)).mean())
    trainer.model.zero_grad()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="short")
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--model", default="smollm2-135m")
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = TrainConfig(batch_size=PAIRS)
    pairs = make_pairs(PAIRS * given.batches, SIZES[given.size])
    with quiet(), tempfile.TemporaryDirectory() as folder:
        start = load_start(given.model, config)
        found = tokenize(pairs, start.tokenizer, config.max_length).rows
        rows = [{**row, "ref_chosen_logps": 0.0, "ref_rejected_logps": 0.0} for row in found]
        trainer: Any = make_trainer(start, rows, config, Path(folder))
    trainer.shares_prompts = True
    ratios = []
    for first in range(0, len(rows), PAIRS):
        batch = trainer.data_collator(rows[first : first + PAIRS])
        alone, packed = (seconds(trainer, batch, count) for count in (1, PAIRS))
        print(f"one pair a row {alone:.2f} s, {PAIRS} pairs {packed:.2f} s", flush=True)
        ratios.append(alone / packed)
    print(
        f"{datetime.date.today()}, {platform.machine()}, {compute_dtype(config)}, {given.size}: "
        f"packed rows are {statistics.median(ratios[1:]):.2f} times as fast "
        f"({min(ratios[1:]):.2f} to {max(ratios[1:]):.2f}, n={len(ratios) - 1} batches)"
    )


if __name__ == "__main__":
    main()
