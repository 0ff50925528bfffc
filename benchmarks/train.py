"""Pairs per second of `train` and of stock TRL, on the same pairs, in one run.

    python benchmarks/train.py [--size short long] [--pairs 48] [--arms 3]

The pairs are synthetic: `short` has prompts of about 45 tokens, `long` of about 270, both
answers of about 63. An arm is a training with its own seed. Ours shares reference log-probs
between arms, as a study does; stock TRL computes them for each. Both sides train LoRA r16
in the same types, with the same batch size, one epoch, precomputed reference, no gradient
checkpointing. Ours is also timed with four pairs packed in a row, and with `share_prompts`
off. Arms alternate between the sides, so that a busy machine slows all of them.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from anlage.llm.message import Message
from anlage.preferences.dataset import Pairs
from anlage.preferences.pair import Pair
from anlage.store.store import Store
from anlage.trainer.assembly import compute_dtype, load_start
from anlage.trainer.config import TrainConfig
from anlage.trainer.guards import quiet
from anlage.trainer.schedule import plan_steps
from anlage.trainer.soft_dpo import loss_arguments
from anlage.trainer.train import train
from transformers import TrainerCallback

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


LEAD = "My neighbour in house {} wants to know how one gets into a locked shed. "
FILLER = "He has looked in the drawer, asked his sister and called the shop where it was bought. "
SIZES = {"short": 1, "long": 12}
"""Sentences of filler in a prompt."""


def make_pairs(count: int, filler: int) -> list[Pair]:
    draw = random.Random(0)

    def answer() -> str:
        return " ".join([draw.choice(OPENINGS), *draw.sample(PIECES, draw.randint(3, 5))])

    return [
        Pair(
            prompt_id=f"row-{number}",
            prompt=(Message("user", LEAD.format(number) + FILLER * filler),),
            chosen=answer(),
            rejected=answer(),
            p_chosen=1.0,
            weight=1.0,
            principles=(),
            failure_mode="harmful_compliance",
            role="at_risk",
            builder="benchmark",
            round=0,
            calls={},
        )
        for number in range(count)
    ]


@dataclass(frozen=True)
class Time:
    """Seconds of one arm, loading left out.

    Attributes:
        reference: Wall seconds of the reference pass.
        training: Wall seconds of the steps.
        per_step: Processor seconds of a step, the first left out: what other programs do
            on the machine hardly moves them.
    """

    reference: float
    training: float
    per_step: float


def per_step(marks: list[float]) -> float:
    return (marks[-1] - marks[0]) / (len(marks) - 1) if len(marks) > 1 else float("nan")


def ours(pairs: list[Pair], model: str, config: TrainConfig, store: Store) -> Time:
    marks: list[float] = []
    steps = plan_steps(len(pairs), config)

    def note(done: int, total: int) -> None:
        if total == steps:
            marks.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        result = train(
            pairs,
            model=model,
            config=config,
            output=Path(folder) / "out",
            store=store,
            on_progress=note,
        )
    return Time(result.reference_seconds, result.training_seconds, per_step(marks))


class Clock(TrainerCallback):
    """Notes the processor's time after each step."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Notes it."""
        self.marks.append(time.process_time())


def stock(pairs: list[Pair], model: str, config: TrainConfig, keep: Path | None = None) -> Time:
    """The same with TRL's own trainer, which trains every pair as certain, with weight 1.

    Args:
        pairs: What is trained on.
        model: The base.
        config: Rate, schedule, steps, beta and SFT weight are taken from it.
        keep: Where the adapter is left.
    """
    from peft import LoraConfig
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    with tempfile.TemporaryDirectory() as folder, quiet():
        start = load_start(model, config)
        settings: dict[str, Any] = {
            "output_dir": folder,
            "learning_rate": config.learning_rate,
            "lr_scheduler_type": config.scheduler,
            "warmup_steps": config.warmup_ratio,
            "max_grad_norm": config.max_grad_norm,
            "beta": config.beta,
            "max_length": None,
            "num_train_epochs": config.epochs,
            "max_steps": config.max_steps or -1,
            "per_device_train_batch_size": config.batch_size,
            "bf16": compute_dtype(config) == torch.bfloat16,
            "use_cpu": not torch.cuda.is_available(),
            "gradient_checkpointing": False,
            "precompute_ref_log_probs": True,
            "logging_steps": 1,
            "save_strategy": "no",
            "seed": config.seed,
            "report_to": "none",
            "disable_tqdm": True,
        }
        begun = time.perf_counter()
        trainer: Any = DPOTrainer(
            model=start.model,
            args=DPOConfig(**settings, **loss_arguments(config.sft_weight)),
            train_dataset=Pairs(pairs).to_dataset(),
            processing_class=start.tokenizer,
            peft_config=LoraConfig(
                r=config.rank,
                lora_alpha=config.alpha,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
        )
        clock = Clock()
        trainer.add_callback(clock)
        prepared = time.perf_counter()
        trainer.train()
        trained = time.perf_counter()
        if keep is not None:
            trainer.model.save_pretrained(str(keep))
    return Time(prepared - begun, trained - prepared, per_step(clock.marks))


def measure(size: str, model: str, count: int, arms: int) -> None:
    pairs = make_pairs(count, SIZES[size])
    names = ("stock TRL", "ours", "ours, 4 pairs in a row", "ours, prompts not shared")
    times: dict[str, list[Time]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "reference.sqlite")
        for seed in range(arms):
            config = TrainConfig(epochs=1, seed=seed, sft_weight=0.0, save_steps=10_000)
            packed = config.model_copy(update={"pairs_per_row": 4})
            plain = config.model_copy(update={"share_prompts": False})
            times["stock TRL"].append(stock(pairs, model, config))
            times["ours"].append(ours(pairs, model, config, store))
            times["ours, 4 pairs in a row"].append(ours(pairs, model, packed, store))
            times["ours, prompts not shared"].append(ours(pairs, model, plain, store))
        store.close()
    base = times["stock TRL"]
    base_speed = statistics.median(count / time.training for time in base)
    base_total = sum(time.reference + time.training for time in base)
    base_cpu = statistics.median(time.per_step for time in base)
    for name, found in times.items():
        speed = statistics.median(count / time.training for time in found)
        total = sum(time.reference + time.training for time in found)
        cpu = statistics.median(time.per_step for time in found)
        print(
            f"| {size} | {name} | {speed:.2f} | {speed / base_speed:.2f} | {cpu:.1f} | "
            f"{base_cpu / cpu:.2f} | {found[0].reference:.0f} | {total:.0f} | "
            f"{base_total / total:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--arms", type=int, default=3)
    parser.add_argument("--model", default="smollm2-135m")
    given = parser.parse_args()
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {given.model}, "
        f"{given.pairs} pairs, {given.arms} arms, {compute_dtype(TrainConfig())}\n"
    )
    print(
        "| size | trainer | pairs/s, median | ratio | CPU s a step | ratio | reference s | "
        "all arms s | ratio |\n|---|---|---|---|---|---|---|---|---|"
    )
    for size in given.size:
        measure(size, given.model, given.pairs, given.arms)


if __name__ == "__main__":
    main()
