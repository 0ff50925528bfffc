"""The monitor of a dead rate against every planned schedule, and what it leaves of later layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.trainer.conditions.journal import WatchMemory, WatchPlan, read_log
from anlage.trainer.conditions.monitors import Check, kl_budget
from anlage.trainer.conditions.settings import KLBudget, MonitorSettings
from anlage.trainer.conditions.watch import Watch, WeightMotion
from anlage.trainer.config import TrainConfig
from anlage.trainer.origin import Origin
from anlage.trainer.schedule import RatePlan, learning_rates
from anlage.trainer.train import train

from ...helpers.conditions import labelled_pairs
from ...helpers.tiny_model import make_tiny_model
from ...helpers.training import make_pairs, tiny_config


class Control:
    """What a callback may ask of the trainer."""

    should_save = should_training_stop = False


def dead_at(
    folder: Path, steps: int, actual: list[float] | None = None, first: int = 1, **changes: Any
) -> list[int]:
    """Steps at which the monitor fires while AdamW moves a weight by the schedule's rates.

    Args:
        folder: For the monitor's log.
        steps: Of the whole plan.
        actual: Rates that are used in place of the planned ones.
        first: First step that is taken: later than 1 after a resume.
        changes: Of the training's config.
    """
    config = TrainConfig(**changes)
    memory = WatchMemory(folder, "")
    settings = MonitorSettings.model_validate({"dead_rate": "warn"})
    plan = WatchPlan(settings, ())
    unused: Any = None  # no check is due before a checkpoint is written
    watch = Watch(plan, unused, memory, folder / "checkpoints", RatePlan.of(steps, config))
    model = torch.nn.Linear(4, 4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=0.0)
    watch._motion = WeightMotion(model)
    rates = actual or learning_rates(steps, config)
    for step in range(first, steps + 1):
        optimizer.param_groups[0]["lr"] = rates[step - 1]
        for weight in model.parameters():
            weight.grad = torch.ones_like(weight)
        optimizer.step()
        state = type("State", (), {"global_step": step})
        watch.on_step_end(None, state, Control(), model=model, optimizer=optimizer)
    return [event["step"] for event in read_log(folder)]


@pytest.mark.parametrize("scheduler", ["cosine", "linear", "constant", "constant_with_warmup"])
@pytest.mark.parametrize("steps", [20, 118, 600, 3000])
@pytest.mark.parametrize("rate", [5e-7, 5e-5, 1e-3])
def test_no_planned_schedule_is_called_dead(
    scheduler: str, steps: int, rate: float, tmp_path: Path
) -> None:
    for number, method in enumerate(("lora", "full")):
        if method == "lora" and rate < 1e-6:
            continue  # such a rate of an adapter is the fault itself
        changes: dict[str, Any] = {"scheduler": scheduler, "learning_rate": rate, "method": method}
        folder = tmp_path / str(number)
        folder.mkdir()
        assert dead_at(folder, steps, **changes) == []


@pytest.mark.parametrize(("rate", "warmup"), [(5e-6, 200), (5e-7, 30), (1e-6, 500)])
def test_a_long_warm_up_is_not_dead(rate: float, warmup: int, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"method": "full", "learning_rate": rate, "warmup_steps": warmup}
    assert dead_at(tmp_path, warmup + 40, **changes) == []


def test_resumed_in_the_tail_is_not_dead(tmp_path: Path) -> None:
    assert dead_at(tmp_path, 600, first=598, learning_rate=1e-3) == []


@pytest.mark.parametrize(
    ("actual", "planned"),
    [
        ([0.0] * 40, 1e-3),  # the scheduler is broken
        ([1e-9] * 40, 1e-3),  # far below the plan
        ([5e-4] * 20 + [0.0] * 20, 1e-3),  # dies half-way
        (None, 1e-12),  # the plan itself moves nothing
        (None, 1e-8),
    ],
)
def test_a_dead_rate_is_caught(actual: list[float] | None, planned: float, tmp_path: Path) -> None:
    assert len(dead_at(tmp_path, 40, actual, learning_rate=planned)) == 1


@pytest.mark.parametrize("steps", [2, 3])
def test_a_training_shorter_than_the_patience_is_judged_at_its_end(
    steps: int, tmp_path: Path
) -> None:
    assert dead_at(tmp_path, steps, [0.0] * steps, learning_rate=1e-3) == [steps]


def test_a_distance_that_stays_lowers_the_rate_no_further() -> None:
    settings = KLBudget(budget=1.0)
    far, same, farther = (Check(step, {}, {}, kl) for step, kl in ((3, 1.2), (6, 1.2), (9, 1.3)))
    assert kl_budget(far, settings) is not None
    assert kl_budget(same, settings, far) is None
    assert kl_budget(farther, settings, same) is not None


@pytest.mark.slow
def test_three_layers_of_600_steps_are_all_trained(tmp_path: Path) -> None:
    model = str(make_tiny_model(tmp_path / "model", layers=1, hidden=16))
    settings = MonitorSettings.model_validate(
        {"checks": 1, "check_pairs": 2, "anchors": 1, "sentinels": 2, "re_injury": "warn"}
    )
    config = tiny_config(batch_size=1, epochs=300, learning_rate=1e-3, save_steps=5000, rank=2)
    origin = None
    for number in range(3):
        output = tmp_path / str(number)
        plan = WatchPlan(settings, labelled_pairs()[:4])
        pairs = make_pairs(2)
        done = train(pairs, model=model, config=config, output=output, origin=origin, watch=plan)
        assert done.steps == 600
        assert not WatchMemory(output, "").state.stops_run
        assert "dead_rate" not in {event["monitor"] for event in read_log(output)}
        origin = Origin(done.path)
