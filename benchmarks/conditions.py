"""How often each monitor catches its planted fault, and how often it is wrong about a healthy run.

    python benchmarks/conditions.py            # 20 healthy runs, 20 of each fault; a tiny model
    python benchmarks/conditions.py --runs 2   # to see that it works
    python benchmarks/conditions.py --probe    # time of the whole probe on the embedded model

A healthy run is two layers: pairs, then lessons that go on from them, every monitor at its
default, so every monitor has something to look at. Each run has a model and an order of its
own. A fault is planted into the first layer, or after a healthy first layer where there must
be something to injure.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from anlage.preferences.pair import Pair
from anlage.prompts.lessons import Lesson
from anlage.stats.intervals import Rate
from anlage.tests.helpers.conditions import flipped, labelled_pairs
from anlage.tests.helpers.tiny_model import make_tiny_model
from anlage.tests.helpers.training import REFUSE, make_pair, tiny_config
from anlage.trainer.conditions.journal import WatchPlan, read_checks, read_log
from anlage.trainer.conditions.monitors import Check
from anlage.trainer.conditions.settings import NAMES, MonitorSettings
from anlage.trainer.origin import Origin
from anlage.trainer.result import TrainedModel
from anlage.trainer.soft_dpo import SoftDPOTrainer
from anlage.trainer.supervised import train_lessons
from anlage.trainer.train import train

DEFAULTS = MonitorSettings()


class Scene:
    """One run's model, data and folders, all from one seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder / str(seed)
        self.model = str(make_tiny_model(self.folder / "model", seed=seed))
        self.seed = seed
        numbers = random.Random(seed).sample(range(100), 16)
        self.pairs = [make_pair(number) for number in numbers]
        self.lessons = [replace_prompt(pair) for pair in self.pairs[:8]]

    def plan(self, ends: tuple[Check, ...] = (), settings: MonitorSettings = DEFAULTS) -> WatchPlan:
        """What is watched, after a layer with these ends."""
        return WatchPlan(settings, labelled_pairs(), ends, ends)

    def first(self, name: str, learning_rate: float = 5e-3) -> TrainedModel:
        """The first layer, on pairs."""
        return train(
            self.pairs,
            model=self.model,
            config=tiny_config(seed=self.seed, learning_rate=learning_rate),
            output=self.folder / name,
            watch=self.plan(),
        )

    def ends(self, name: str) -> tuple[Check, ...]:
        """Start and end of a layer."""
        checks = read_checks(self.folder / name)
        return checks[0], checks[-1]

    def fired(self, *names: str) -> set[str]:
        """The monitors that fired in some layers."""
        return {event["monitor"] for name in names for event in read_log(self.folder / name)}


def replace_prompt(pair: Pair) -> Lesson:
    return Lesson(pair.prompt_id, pair.prompt, REFUSE, pair.failure_mode)


def healthy(scene: Scene) -> set[str]:
    first = scene.first("first")
    train_lessons(
        scene.lessons,
        model=scene.model,
        config=tiny_config(seed=scene.seed, learning_rate=2e-3),
        output=scene.folder / "second",
        origin=Origin(first.path),
        watch=scene.plan(scene.ends("first")),
    )
    return scene.fired("first", "second")


def dead_rate(scene: Scene) -> set[str]:
    scene.first("fault", learning_rate=1e-11)
    return scene.fired("fault")


def not_finite(scene: Scene) -> set[str]:
    """The loss of one step is NaN, each run at another step."""
    real, at = SoftDPOTrainer._compute_loss, 1 + scene.seed % 8

    def planted(self: Any, model: Any, inputs: Any, outputs: bool) -> Any:
        loss = real(self, model, inputs, outputs)
        return loss * math.nan if self.state.global_step + 1 == at else loss

    SoftDPOTrainer._compute_loss = planted  # type: ignore[method-assign]
    try:
        scene.first("fault")
    finally:
        SoftDPOTrainer._compute_loss = real  # type: ignore[method-assign]
    return scene.fired("fault")


def kl_budget(scene: Scene) -> set[str]:
    """Every weight instead of an adapter, at an adapter's rate, for longer."""
    train(
        scene.pairs,
        model=scene.model,
        config=tiny_config(seed=scene.seed, learning_rate=2e-2, epochs=6, method="full"),
        output=scene.folder / "fault",
        watch=scene.plan(settings=MonitorSettings.model_validate({"re_injury": "warn"})),
    )
    return scene.fired("fault")


def falling_chosen(scene: Scene) -> set[str]:
    """DPO without its supervised term; the rejected answer is the chosen one and more."""
    train(
        [replace(p, chosen=REFUSE, rejected=f"{REFUSE} {REFUSE[:20]}") for p in scene.pairs],
        model=scene.model,
        config=tiny_config(seed=scene.seed, sft_weight=0.0, learning_rate=1e-2, beta=0.1, epochs=6),
        output=scene.folder / "fault",
        watch=scene.plan(
            settings=MonitorSettings.model_validate({"re_injury": "warn", "kl_budget": "warn"})
        ),
    )
    return scene.fired("fault")


def stall(scene: Scene) -> set[str]:
    """A rate that moves weights, but too little to matter."""
    train(
        scene.pairs,
        model=scene.model,
        config=tiny_config(seed=scene.seed, learning_rate=5e-6),
        output=scene.folder / "fault",
        watch=scene.plan(settings=MonitorSettings(checks=4)),
    )
    return scene.fired("fault")


def re_injury(scene: Scene) -> set[str]:
    """A second layer that prefers the failing answers."""
    first = scene.first("first")
    train(
        flipped(scene.pairs),
        model=scene.model,
        config=tiny_config(seed=scene.seed, learning_rate=2e-2),
        output=scene.folder / "fault",
        origin=Origin(first.path, "previous"),
        watch=scene.plan(scene.ends("first")),
    )
    return scene.fired("fault")


FAULTS: dict[str, Callable[[Scene], set[str]]] = {
    "dead_rate": dead_rate,
    "not_finite": not_finite,
    "kl_budget": kl_budget,
    "falling_chosen": falling_chosen,
    "stall": stall,
    "re_injury": re_injury,
}


def shown(rate: Rate) -> str:
    ends = rate.interval
    return f"{rate.successes} of {rate.n} ({100 * ends.low:.0f} to {100 * ends.high:.0f}%)"


def detection(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        alarms: Counter[str] = Counter()
        wrong = 0
        for seed in range(runs):
            found = healthy(Scene(Path(folder) / "healthy", seed))
            alarms.update(found)
            wrong += bool(found)
        print(f"healthy runs in which any monitor fired: {shown(Rate(wrong, runs))}\n", flush=True)
        print("| monitor | planted faults caught | healthy runs flagged |\n|---|---|---|")
        for name in NAMES:
            caught = 0
            for seed in range(runs):
                caught += name in FAULTS[name](Scene(Path(folder) / name, seed))
            rates = Rate(caught, runs), Rate(alarms[name], runs)
            print(f"| {name} | {shown(rates[0])} | {shown(rates[1])} |", flush=True)


def probe_time() -> None:
    """Every labelled pair that is shipped for the failure modes, on the embedded model."""
    from anlage.prompts.labelled import balanced_sample, load_labelled
    from anlage.trainer.assembly import load_start
    from anlage.trainer.conditions.instruments import Instruments, labelled_rows
    from anlage.trainer.config import TrainConfig
    from anlage.trainer.supervised import _Lessons

    config = TrainConfig()
    start = load_start("smollm2-135m", config)
    pairs = balanced_sample(load_labelled(), per_slice=16)
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"input_ids": [1, 2], "labels": [1, 2]}]
        trainer = _Lessons().make_trainer(start, rows, config, Path(folder))
        probe = labelled_rows(pairs, start.tokenizer, 4)
        instruments = Instruments(trainer, start.tokenizer, probe, 8, ())
        for whole in (True, False):
            began = time.perf_counter()
            check = instruments.check(0, whole=whole)
            seconds = time.perf_counter() - began
            modes = len(set(check.modes.values()))
            print(f"{len(check.probe)} labelled pairs of {modes} failure modes: {seconds:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--only", choices=NAMES, help="plant only this fault")
    asked = parser.parse_args()
    if asked.probe:
        probe_time()
    elif asked.only:
        with tempfile.TemporaryDirectory() as folder:
            found = [FAULTS[asked.only](Scene(Path(folder), seed)) for seed in range(asked.runs)]
        caught = sum(asked.only in names for names in found)
        print(f"| {asked.only} | {shown(Rate(caught, asked.runs))} |")
    else:
        detection(asked.runs)


if __name__ == "__main__":
    main()
