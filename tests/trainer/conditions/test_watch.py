"""Monitors at work on a tiny real model: planted faults, what is done about them, and resuming."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.llm.message import Message
from anlage.preferences.pair import Pair
from anlage.prompts.labelled import LabelledAnswers
from anlage.trainer.conditions.journal import WatchMemory, WatchPlan, read_checks, read_log
from anlage.trainer.conditions.monitors import Finding, re_injury
from anlage.trainer.conditions.settings import MonitorSettings
from anlage.trainer.origin import Origin
from anlage.trainer.result import TrainedModel
from anlage.trainer.train import train

from ...helpers.conditions import flipped, labelled_pairs
from ...helpers.tiny_model import make_tiny_model
from ...helpers.training import make_pairs, tiny_config


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_model(tmp_path_factory.mktemp("model")))


def plan(**changes: Any) -> WatchPlan:
    ends = changes.pop("ends", ())
    pool = changes.pop("pool", ())
    return WatchPlan(MonitorSettings.model_validate(changes), labelled_pairs(), ends, ends, pool)


def weights(trained: TrainedModel) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(str(trained.path / "adapter_model.safetensors"))


@pytest.fixture(scope="module")
def healthy(model: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Path]:
    folder = tmp_path_factory.mktemp("healthy")
    return train(
        make_pairs(), model=model, config=tiny_config(), output=folder, watch=plan()
    ), folder


def test_watching_a_healthy_training_changes_nothing(
    healthy: tuple[TrainedModel, Path], model: str, tmp_path: Path
) -> None:
    watched, folder = healthy
    alone = train(make_pairs(), model=model, config=tiny_config(), output=tmp_path)
    assert all(torch.equal(a, weights(alone)[name]) for name, a in weights(watched).items())
    assert read_log(folder) == []
    checks = read_checks(folder)
    assert [check.step for check in checks] == [0, 3, 6]
    assert checks[0].kl == pytest.approx(0.0, abs=1e-3)
    assert checks[-1].kl is not None
    assert checks[-1].kl > 1e-3
    assert checks[-1].mean > checks[0].mean


def test_training_goes_on_from_an_earlier_one(
    healthy: tuple[TrainedModel, Path], model: str, tmp_path: Path
) -> None:
    first, folder = healthy
    ends = (read_checks(folder)[0], read_checks(folder)[-1])
    for reference in ("initial", "previous"):
        output = tmp_path / reference
        train(
            make_pairs(),
            model=model,
            config=tiny_config(),
            output=output,
            origin=Origin(first.path, reference),
            watch=plan(ends=ends),
        )
        lines = (output / "metrics.jsonl").read_text().splitlines()
        margin = json.loads(lines[0])["rewards/margins"]
        if reference == "initial":
            assert abs(margin) > 0.01  # what the first training gained counts
        else:
            assert margin == pytest.approx(0.0, abs=1e-4)
        recorded = json.loads((output / "reference.json").read_text())
        assert recorded["reference"] == reference


def test_a_harmful_layer_is_rolled_back(
    healthy: tuple[TrainedModel, Path], model: str, tmp_path: Path
) -> None:
    first, folder = healthy
    ends = (read_checks(folder)[0], read_checks(folder)[-1])
    train(
        flipped(make_pairs()),
        model=model,
        config=tiny_config(learning_rate=2e-2),
        output=tmp_path,
        origin=Origin(first.path, "previous"),
        watch=plan(ends=ends, re_injury={"least_drop": 0.02}),
    )
    events = [event for event in read_log(tmp_path) if event["monitor"] == "re_injury"]
    assert [event["attempt"] for event in events] == [0, 1]
    assert "on at 0.5" in events[0]["action"]
    assert "ends there" in events[1]["action"]
    state = WatchMemory(tmp_path, "").state
    assert state.undone
    assert state.good == 0
    result = TrainedModel.read(tmp_path)
    assert result.steps == 0
    assert all(torch.equal(a, weights(first)[name]) for name, a in weights(result).items())
    assert (tmp_path / "metrics_undone.jsonl").read_text().count("\n") == sum(
        event["step"] for event in events
    )


def test_a_good_check_that_saw_too_little_is_not_trusted(
    healthy: tuple[TrainedModel, Path], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checks inside the layer see nothing; the whole one at its end does, and looks back, too."""
    real = re_injury
    whole = len(labelled_pairs())

    def blind(now: Any, *rest: Any) -> Any:
        return real(now, *rest) if len(now.probe) == whole else None

    monkeypatch.setattr("anlage.trainer.conditions.watch.re_injury", blind)
    first, folder = healthy
    train(
        flipped(make_pairs()),
        model=model,
        config=tiny_config(learning_rate=2e-2),
        output=tmp_path,
        origin=Origin(first.path, "previous"),
        watch=plan(
            ends=(read_checks(folder)[0], read_checks(folder)[-1]),
            re_injury={"least_drop": 0.02},
            retries=0,
        ),
    )
    assert "back to step 3" in read_log(tmp_path)[0]["action"]
    result = TrainedModel.read(tmp_path)
    assert result.steps == 0
    assert all(torch.equal(a, weights(first)[name]) for name, a in weights(result).items())


def test_a_harmful_layer_without_the_monitor_does_harm(
    healthy: tuple[TrainedModel, Path], model: str, tmp_path: Path
) -> None:
    first, folder = healthy
    ends = (read_checks(folder)[0], read_checks(folder)[-1])
    train(
        flipped(make_pairs()),
        model=model,
        config=tiny_config(learning_rate=2e-2),
        output=tmp_path,
        origin=Origin(first.path, "previous"),
        watch=plan(ends=ends, re_injury="off", stall="off"),
    )
    assert read_checks(tmp_path)[-1].mean < ends[-1].mean - 0.02


def test_a_rate_of_zero_stops_the_training(model: str, tmp_path: Path) -> None:
    config = tiny_config(learning_rate=1e-12)
    result = train(make_pairs(), model=model, config=config, output=tmp_path, watch=plan())
    (event,) = read_log(tmp_path)
    assert event["monitor"] == "dead_rate"
    assert event["action"] == "training ends"
    assert result.steps == 3
    assert WatchMemory(tmp_path, "").state.stops_run


def plant_nan(monkeypatch: pytest.MonkeyPatch, at: set[int], *, once: bool = False) -> None:
    """The loss of some steps (1-based) is NaN, as from a bad batch; `once`: only the first time."""
    from anlage.trainer.soft_dpo import SoftDPOTrainer

    real = SoftDPOTrainer._compute_loss

    def planted(self: Any, model: Any, inputs: Any, outputs: bool) -> Any:
        loss = real(self, model, inputs, outputs)
        step = self.state.global_step + 1
        if step not in at:
            return loss
        if once:
            at.remove(step)
        return loss * math.nan

    monkeypatch.setattr(SoftDPOTrainer, "_compute_loss", planted)


@pytest.mark.parametrize("policy", ["warn", "stop", "lower_rate", "rollback"])
def test_a_nan_never_reaches_the_weights(
    policy: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_nan(monkeypatch, {5})
    result = train(
        make_pairs(),
        model=model,
        config=tiny_config(),
        output=tmp_path,
        watch=plan(not_finite={"policy": policy}, stall="off"),
    )
    events = read_log(tmp_path)
    assert {event["monitor"] for event in events} == {"not_finite"}
    assert all(tensor.isfinite().all() for tensor in weights(result).values())
    rates = [
        json.loads(line)["learning_rate"]
        for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    whole = tiny_config().learning_rate
    if policy == "warn":
        assert result.steps == 6
        assert len(events) == 1
    elif policy == "stop":
        assert result.steps == 5
    elif policy == "lower_rate":
        assert rates[3] > 0.25 * whole
        assert rates[5] < 0.06 * whole
    else:  # twice at step 5: back to the check of step 3, where the layer then ends
        assert [event["attempt"] for event in events] == [0, 1]
        assert result.steps == 3


@pytest.mark.parametrize(
    ("at", "steps"),
    [({5, 28}, 30), ({5, 16}, 30), ({5, 15}, 12)],
    ids=["far apart", "eleven steps apart", "ten steps apart"],
)
def test_faults_far_apart_do_not_add_up(
    at: set[int], steps: int, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`retries: 1` is for each trouble: in 30 steps, for faults at most ten steps apart."""
    plant_nan(monkeypatch, set(at), once=True)
    result = train(
        make_pairs(),
        model=model,
        config=tiny_config(epochs=10),
        output=tmp_path,
        watch=plan(checks=10, stall="off", re_injury="off", kl_budget="warn"),
    )
    state = WatchMemory(tmp_path, "").state
    assert state.rollbacks == len(at)
    assert (result.steps, bool(state.ended)) == (steps, steps < 30)


@pytest.mark.slow
def test_replay_trains_on_earlier_data_of_the_injured_mode(
    healthy: tuple[TrainedModel, Path], model: str, tmp_path: Path
) -> None:
    first, folder = healthy
    ends = (read_checks(folder)[0], read_checks(folder)[-1])
    settings: dict[str, Any] = {
        "ends": ends,
        "re_injury": {"policy": "replay", "least_drop": 0.02},
        "stall": "off",
        "checks": 1,
    }
    means = {}
    pools: Sequence[tuple[str, Sequence[Pair]]] = (("with", make_pairs()), ("without", ()))
    for name, pool in pools:
        output = tmp_path / name
        train(
            flipped(make_pairs()),
            model=model,
            config=tiny_config(learning_rate=2e-2),
            output=output,
            origin=Origin(first.path, "previous"),
            watch=plan(**settings, pool=pool),
        )
        event = read_log(output)[0]
        assert event["action"] == (
            "earlier data trained on" if pool else "no earlier data to train on"
        )
        means[name] = read_checks(output)[-1].mean
    assert means["with"] > means["without"] + 0.01


def test_too_far_from_the_reference_lowers_the_rate(model: str, tmp_path: Path) -> None:
    train(
        make_pairs(),
        model=model,
        config=tiny_config(scheduler="constant"),
        output=tmp_path,
        watch=plan(kl_budget={"budget": 1e-3}, stall="off"),
    )
    rates = [
        json.loads(line)["learning_rate"]
        for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert rates == pytest.approx([5e-3] * 3 + [2.5e-3] * 3)
    assert [event["monitor"] for event in read_log(tmp_path)] == ["kl_budget", "kl_budget"]
    assert WatchMemory(tmp_path, "").state.carry == 0.5


def test_a_labelled_pair_is_never_trained_on() -> None:
    texts = {pair.messages[0].content for pair in labelled_pairs()}
    assert texts.isdisjoint(pair.prompt[0].content for pair in make_pairs())
    assert all(isinstance(pair, LabelledAnswers) for pair in labelled_pairs())
    assert isinstance(labelled_pairs()[0].messages[0], Message)


@pytest.mark.parametrize("killed_at", [2, 5])
def test_back_at_the_start_and_killed_is_the_same_bytes_with_dropout(
    killed_at: int, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rolled back at step 3 to the start; then killed before, or in the second attempt."""
    from anlage.trainer.journal import TrainingJournal

    class Killed(Exception):  # noqa: N818
        pass

    found: dict[str, TrainedModel] = {}
    real = TrainingJournal.on_step_end
    for name, last in (("whole", 0), ("killed", killed_at)):
        fired: list[int] = []
        taken = [0]

        def once(now: Any, *rest: Any, fired: list[int] = fired) -> Any:
            if now.step == 3 and not fired:
                fired.append(3)
                return Finding("re_injury", 3, "planted")
            return None

        def step(
            self: Any, *parts: Any, taken: list[int] = taken, last: int = last, **named: Any
        ) -> None:
            taken[0] += 1
            if taken[0] == last:
                raise Killed
            real(self, *parts, **named)

        monkeypatch.setattr("anlage.trainer.conditions.watch.re_injury", once)
        monkeypatch.setattr(TrainingJournal, "on_step_end", step)
        config = tiny_config(dropout=0.2, save_steps=100)
        for _ in range(2):
            try:
                output = tmp_path / name
                settings = plan(stall="off")
                found[name] = train(
                    make_pairs(), model=model, config=config, output=output, watch=settings
                )
                break
            except Killed:
                torch.manual_seed(99)
        assert [event["action"][:14] for event in read_log(tmp_path / name)] == ["back to step 0"]
    other = weights(found["killed"])
    assert all(torch.equal(value, other[name]) for name, value in weights(found["whole"]).items())
