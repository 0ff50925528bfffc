"""Peak memory of a training against `memory_need`'s estimate, one process each.

    python benchmarks/memory.py
    python benchmarks/memory.py --table     # what fits where, computed only

On a CPU the peak is the process's largest resident size, on a GPU what torch allocated.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

CASES: list[dict[str, object]] = [
    {"batch_size": 2, "filler": 1},
    {"batch_size": 4, "filler": 1},
    {"batch_size": 8, "filler": 1},
    {"batch_size": 4, "filler": 12},
    {"batch_size": 4, "filler": 1, "share_prompts": False},
    {"batch_size": 4, "filler": 1, "dtype": "float32"},
    {"batch_size": 4, "filler": 1, "method": "full"},
    {"batch_size": 4, "filler": 12, "gradient_checkpointing": True},
]
SHAPES: dict[str, tuple[int, int, int, int, int]] = {
    "135M (SmolLM2)": (134_515_008, 576, 1536, 30, 49_152),
    "1.7B (SmolLM2)": (1_711_376_384, 2048, 8192, 24, 49_152),
    "8B (Llama 3.1)": (8_030_261_248, 4096, 14_336, 32, 128_256),
    "32B (Qwen 2.5)": (32_763_876_352, 5120, 27_648, 64, 152_064),
    "70B (Llama 3.1)": (70_553_706_496, 8192, 28_672, 80, 128_256),
}
"""Weights, width, feed-forward width, layers, vocabulary."""


def one(case: dict[str, object]) -> None:
    """Trains four steps and prints peak and estimate as JSON."""
    import torch
    from anlage.benchmarks.train import make_pairs
    from anlage.llm.local.embedded import resolve_model
    from anlage.trainer.assembly import load_start
    from anlage.trainer.checks.memory_need import memory_need, read_shape
    from anlage.trainer.config import TrainConfig
    from anlage.trainer.rows import tokenize
    from anlage.trainer.train import train

    settings = {key: value for key, value in case.items() if key != "filler"}
    config = TrainConfig.model_validate(
        {**settings, "epochs": 1, "max_steps": 4, "scheduler": "constant"}
    )
    pairs = make_pairs(32, int(str(case["filler"])))
    folder = resolve_model("smollm2-135m")
    rows = tokenize(pairs, load_start("smollm2-135m", config).tokenizer, config.max_length).rows
    need = memory_need(read_shape(folder), rows, config)
    with tempfile.TemporaryDirectory() as output:
        train(
            pairs,
            model="smollm2-135m",
            config=config,
            output=Path(output) / "out",
            on_progress=lambda done, total: None,
        )
    if torch.cuda.is_available():
        peak = float(torch.cuda.max_memory_allocated())
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    parts = [need.weights, need.trained, need.activations, need.logits, need.runtime]
    print(json.dumps({"peak": peak, "need": need.total, "parts": parts}))


def table() -> None:
    """Estimates for one pair of a 512-token prompt and answers of 256, in bfloat16."""
    from anlage.trainer.checks.memory_need import Shape, memory_need
    from anlage.trainer.config import TrainConfig

    rows = [{"prompt_ids": [0] * 512, "chosen_ids": [0] * 256, "rejected_ids": [0] * 256}]
    base = {"batch_size": 1, "dtype": "bfloat16", "gradient_checkpointing": True}
    ways = [("qlora", 1), ("lora", 1), ("lora", 8), ("full", 1), ("full", 8)]
    print("| model | QLoRA | LoRA | LoRA, split over 8 | full | full, split over 8 |")
    print("|---|---|---|---|---|---|")
    for name, sizes in SHAPES.items():
        cells = []
        for method, split in ways:
            config = TrainConfig.model_validate({**base, "method": method})
            need = memory_need(Shape(*sizes), rows, config, split=split)
            cells.append(f"{need.total / 1e9:.1f}")
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", help="internal: one case as JSON")
    parser.add_argument("--table", action="store_true", help="what fits where")
    given = parser.parse_args()
    if given.table:
        table()
        return
    if given.case:
        one(json.loads(given.case))
        return
    print(f"{datetime.date.today()}, {platform.machine()}\n")
    print("| case | measured GB | estimate GB | ratio |\n|---|---|---|---|")
    for case in CASES:
        done = subprocess.run(
            [sys.executable, __file__, "--case", json.dumps(case)],
            check=True,
            capture_output=True,
            text=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        name = ", ".join(f"{key} {value}" for key, value in case.items())
        print(
            f"| {name} | {found['peak'] / 1e9:.2f} | {found['need'] / 1e9:.2f} | "
            f"{found['need'] / found['peak']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
