"""A run's training with Anlage's trainer and with stock TRL: seconds, and the dev twins after.

    anlage pairs examples/quickstart.yaml
    python benchmarks/quality.py runs/quickstart [--steps 30] [--prompts 40] [--whole-probe]

Both sides train the same pairs with the same settings from the same base; stock TRL has no
label probabilities or weights and takes every pair as certain. Both models answer the same
dev prompts, and the change from stock to ours is printed with its paired interval.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import tempfile
import time
from pathlib import Path

import torch
from anlage.benchmarks.train import stock
from anlage.cli.render.evaluation import evaluation_report
from anlage.evaluation.evaluate import evaluate
from anlage.llm.local.model import LocalModel
from anlage.pipeline.config import load_config
from anlage.pipeline.inputs import evaluation_prompts, probe_pairs
from anlage.pipeline.resolved import Resolved
from anlage.preferences.dataset import Pairs
from anlage.trainer.assembly import compute_dtype
from anlage.trainer.train import train
from rich.console import Console


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, help="optimizer steps; all if left out")
    parser.add_argument("--whole-probe", action="store_true", help="all 800 labelled pairs: slow")
    parser.add_argument("--prompts", type=int, help="dev prompts; the run's if left out")
    given = parser.parse_args()
    run = load_config(given.run / "config.yaml")
    pairs = list(Pairs.load(given.run / "30_pairs.jsonl"))
    config = run.training.model_copy(update={"max_steps": given.steps, "save_steps": 10_000})
    limited = run.evaluation.model_copy(update={"limit": given.prompts or run.evaluation.limit})
    prompts = evaluation_prompts(Resolved(run.model_copy(update={"evaluation": limited})))
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{compute_dtype(config)}, {len(pairs)} pairs, {given.steps or 'all'} steps, "
        f"{len(prompts)} dev prompts",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        theirs = stock(pairs, run.model, config, keep=Path(folder) / "stock")
        middle = time.perf_counter()
        result = train(pairs, model=run.model, config=config, output=Path(folder) / "ours")
        seconds = {"stock TRL": middle - begun, "Anlage": time.perf_counter() - middle}
        steps = {"stock TRL": theirs.training, "Anlage": result.training_seconds}
        print("| trainer | steps, s | ratio | everything, s | ratio |\n|---|---|---|---|---|")
        for name in seconds:
            print(
                f"| {name} | {steps[name]:.0f} | {steps['stock TRL'] / steps[name]:.2f} | "
                f"{seconds[name]:.0f} | {seconds['stock TRL'] / seconds[name]:.2f} |",
                flush=True,
            )
        found = evaluate(
            {
                "stock": LocalModel.load(run.model, adapter=Path(folder) / "stock"),
                "anlage": LocalModel.load(run.model, adapter=result.path),
            },
            prompts,
            baseline="stock",
            exemplars=None if given.whole_probe else probe_pairs(Resolved(run)),
            max_tokens=run.evaluation.max_tokens,
        )
    Console(width=100).print(evaluation_report(found))
    print(f"{torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
