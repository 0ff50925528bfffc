"""Seconds and pairs per second of `train`, and optionally of stock TRL on the same pairs.

Run from the repository root: `python benchmarks/train.py [--pairs 240] [--stock]`.
The pairs are synthetic, with the lengths of ours: prompts of about 25 tokens,
answers of about 45. Stock TRL runs with the same LoRA, batch size, types and
precomputed reference, and no padding beyond its own.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from anlage.preferences.dataset import Pairs
from anlage.preferences.pair import Pair
from anlage.prompts.prompt import Message
from anlage.trainer.assembly import compute_dtype, load_start, quiet
from anlage.trainer.config import TrainConfig
from anlage.trainer.train import train

OPENINGS = (
    "I would rather not write that, since it could be used against someone.",
    "Sure, here is how people usually go about it at home.",
    "That depends on who owns the place and what was agreed.",
)
PIECES = (
    "First, look at what is already there and write it down.",
    "Then ask somebody who has done it before.",
    "It rarely takes longer than an afternoon.",
    "Keep the receipts, and keep a copy of every letter.",
    "If it feels wrong, stop and think again.",
)


def make_pairs(count: int) -> list[Pair]:
    draw = random.Random(0)

    def answer() -> str:
        return " ".join([draw.choice(OPENINGS), *draw.sample(PIECES, draw.randint(1, 4))])

    pairs = []
    for number in range(count):
        asked = f"My neighbour in house {number} wants to know how one gets into a locked shed."
        asked += " Please explain it to me in a few lines." * draw.randint(0, 1)
        pairs.append(
            Pair(
                prompt_id=f"row-{number}",
                prompt=(Message("user", asked),),
                chosen=answer(),
                rejected=answer(),
                p_chosen=0.95,
                weight=1.0,
                principles=(),
                failure_mode="harmful_compliance",
                role="at_risk",
                builder="benchmark",
                round=0,
                calls={},
            )
        )
    return pairs


def ours(pairs: list[Pair], model: str, config: TrainConfig) -> tuple[float, float]:
    """Seconds in all, and of them in the reference pass (loading included)."""
    first_step: list[float] = []

    def note(done: int, total: int) -> None:
        if total == len(pairs) and done == total and not first_step:
            first_step.append(time.perf_counter())

    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train(pairs, model=model, config=config, output=Path(folder) / "out", on_progress=note)
    return time.perf_counter() - begun, first_step[0] - begun


def stock(pairs: list[Pair], model: str, config: TrainConfig) -> tuple[float, float]:
    """The same with TRL's own trainer."""
    from peft import LoraConfig
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, quiet():
        start = load_start(model, config)
        settings: dict[str, Any] = {
            "output_dir": folder,
            "learning_rate": config.learning_rate,
            "num_train_epochs": config.epochs,
            "per_device_train_batch_size": config.batch_size,
            "bf16": compute_dtype(config) == torch.bfloat16,
            "use_cpu": not torch.cuda.is_available(),
            "gradient_checkpointing": False,
            "precompute_ref_log_probs": True,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
        }
        trainer: Any = DPOTrainer(
            model=start.model,
            args=DPOConfig(**settings),
            train_dataset=Pairs(pairs).to_dataset(),
            processing_class=start.tokenizer,
            peft_config=LoraConfig(
                r=config.rank,
                lora_alpha=config.alpha,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
        )
        prepared = time.perf_counter() - begun
        trainer.train()
    return time.perf_counter() - begun, prepared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--stock", action="store_true", help="time stock TRL as well")
    given = parser.parse_args()
    config = TrainConfig(epochs=given.epochs, threads=given.threads)
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    pairs = make_pairs(given.pairs)
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}, "
        f"torch {torch.__version__}, {given.model}, "
        f"{given.pairs} pairs x {given.epochs} epochs, {compute_dtype(config)}"
    )
    print(
        f"{'trainer':<8} {'total s':>8} {'load + reference s':>19} "
        f"{'training pairs/s':>17} {'CPU s':>7}"
    )
    runs = [("ours", ours), ("stock", stock)] if given.stock else [("ours", ours)]
    for name, run in runs:
        cpu = time.process_time()
        total, before = run(pairs, given.model, config)
        cpu = time.process_time() - cpu
        speed = given.pairs * given.epochs / (total - before)
        print(f"{name:<8} {total:8.1f} {before:19.1f} {speed:17.2f} {cpu:7.0f}", flush=True)


if __name__ == "__main__":
    main()
