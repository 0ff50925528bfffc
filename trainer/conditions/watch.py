"""The monitors at work: a callback that looks, judges and acts while a model trains."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from ..schedule import RatePlan
from .instruments import Instruments
from .journal import WatchMemory, WatchPlan
from .monitors import Check, Finding, falling_chosen, kl_budget, re_injury, stall

_STRONGEST = ("rollback", "replay", "stop", "lower_rate", "warn")
_PER_TENSOR = 1024
_SAME_TROUBLE, _FEWEST_STEPS = 0.1, 10


class Watch(TrainerCallback):
    """Watches one training and acts when a condition fails.

    Checks stand at evenly spaced steps, the last at the end. Each follows a checkpoint, so
    that there is something to go back to. A step whose gradient is not finite is never
    taken. Everything that decides how the training goes on is on disk before it is done.
    """

    def __init__(
        self,
        plan: WatchPlan,
        instruments: Instruments,
        memory: WatchMemory,
        checkpoints: Path,
        rates: RatePlan,
    ) -> None:
        self.plan = plan
        self.memory = memory
        self._instruments = instruments
        self._checkpoints = checkpoints
        self._rates = rates
        self._steps = steps = rates.steps
        count = min(plan.settings.checks, steps)
        self._due = {round(steps * (k + 1) / count) for k in range(count)}
        self._still_steps = 0
        self._judged_steps = 0
        self._motion: WeightMotion | None = None

    @property
    def start(self) -> Check:
        """The check at the layer's start, made by `begin`."""
        return next(check for check in self.memory.checks if check.step == 0)

    def begin(self) -> None:
        """Measures the start, unless that was done before a kill."""
        if self.memory.at(0) is not None:
            return
        measured = self._instruments.check(0, whole=True, probe=not self.plan.ends)
        if self.plan.ends:  # the same weights as at the last layer's end
            last = self.plan.ends[-1]
            measured = measured.with_probe(last)
        self.memory.add(measured)
        self.memory.save()

    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Lowers the rate where that was decided, and makes up for a check a kill prevented."""
        step = int(state.global_step)
        self.memory.cut(step)
        factor = self.memory.state.scales.get(str(step), 1.0)
        if factor != 1.0:
            scale_rate(parts["optimizer"], parts["lr_scheduler"], factor)
        self._motion = WeightMotion(parts["model"])
        self._still_steps = self._judged_steps = 0
        if step in self._due and self.memory.at(step) is None:
            self._settle(step, control, parts)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Leaves out a step whose gradient is not finite."""
        gradients = [p.grad for p in parts["model"].parameters() if p.grad is not None]
        if not gradients or bool(torch.stack([g.abs().max() for g in gradients]).isfinite().all()):
            return
        parts["model"].zero_grad(set_to_none=True)
        step = int(state.global_step) + 1
        message = "loss or gradient is NaN or infinite; the step was left out"
        self._act([Finding("not_finite", step, message)], step, control, parts)

    def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Looks whether anything moved; asks for a checkpoint where a check is due."""
        assert self._motion is not None
        step = int(state.global_step)
        found = self._dead_rate(step, self._motion.since_last())
        if found is not None and self._policy(found) != "off":
            self._act([found], step, control, parts)
        if step in self._due:
            control.should_save = True

    def _dead_rate(self, step: int, moved: float) -> Finding | None:
        """Judges one step's largest move against the rate that was planned for it.

        Not judged are steps near zero by plan, unless the whole plan is. A training with
        fewer judged steps than `patience` is judged at its end by those it has.
        """
        settings, planned = self.plan.settings.dead_rate, self._rates.rates[step - 1]
        hopeless = self._rates.is_hopeless(settings.least_step)
        judged = hopeless or self._rates.is_up(step)
        if judged:
            lowered = planned * math.prod(self.memory.state.scales.values())
            least = settings.least_step if hopeless else min(settings.least_step, lowered / 10)
            self._judged_steps += 1
            self._still_steps = self._still_steps + 1 if moved < least else 0
        still = self._still_steps
        short = step == self._steps and 0 < still == self._judged_steps < settings.patience
        if not short and not (judged and still == settings.patience):
            return None
        peak = max(self._rates.rates)
        message = (
            f"no weight moved by more than {moved:.2g} in {still} steps, though the plan has the "
            f"learning rate at {planned:.2g} (at most {peak:.2g}): nothing is learned"
        )
        return Finding("dead_rate", step, message, {"rate": planned, "moved": moved})

    def on_save(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Checks the model whose checkpoint has just been written."""
        step = int(state.global_step)
        if step in self._due and self.memory.at(step) is None:
            self._settle(step, control, parts)
        self._prune(step)

    def after_replay(self, step: int) -> None:
        """Measures again, so that later checks compare with the model as it now is."""
        check = self._instruments.check(step, whole=step == self._steps)
        self.memory.add(check)
        self.memory.state.good = step
        self.memory.state.replaying = None
        self.memory.state.replays.append(step)
        self.memory.save()

    def finish(self, step: int) -> None:
        """Measures all labelled pairs at the step whose weights are the layer's result."""
        held = self.memory.at(step)
        if held is None or len(held.probe) < self._instruments.labelled:
            self.memory.add(self._instruments.check(step, whole=True))
        self.memory.cut(step)

    def give_up_if_injured(self, step: int) -> bool:
        """Whether the last good check was none; then only the layer's start is left."""
        held, settings = self.memory.at(step), self.plan.settings.re_injury
        if not step or held is None or settings.policy != "rollback":
            return False
        if not re_injury(held, self.start, self.plan.ends, settings):
            return False
        self.memory.state.good = 0
        self.memory.save()
        self._drop(lambda _: True)
        return True

    def _settle(self, step: int, control: Any, parts: dict[str, Any]) -> None:
        now = self._instruments.check(step, whole=step == self._steps)
        self._act(self._judge(now), step, control, parts, now)
        self.memory.state.good = step
        self.memory.add(now)
        self.memory.save()

    def _judge(self, now: Check) -> list[Finding]:
        settings = self.plan.settings
        here = [check for check in self.memory.checks if check.step < now.step]
        before = [*self.plan.earlier, *here]
        # A rate that is near zero by plan since the window's first check can gain nothing.
        window = here[-settings.stall.checks :]
        since = window[0].step if len(here) >= settings.stall.checks else 0
        can_gain = self._rates.is_up_between(since, now.step)
        found = (
            kl_budget(now, settings.kl_budget, here[-1] if here else None),
            falling_chosen(now, self.start, settings.falling_chosen),
            stall(now, before, settings.stall) if can_gain else None,
            re_injury(now, self.start, self.plan.ends, settings.re_injury),
        )
        return [f for f in found if f is not None and self._policy(f) != "off"]

    def _policy(self, finding: Finding) -> str:
        return str(getattr(self.plan.settings, finding.monitor).policy)

    def _act(
        self,
        findings: Sequence[Finding],
        step: int,
        control: Any,
        parts: dict[str, Any],
        check: Check | None = None,
    ) -> None:
        """Writes every finding down, then does what their policies ask, the strongest first."""
        by_policy = {
            wanted: [finding for finding in findings if self._policy(finding) == wanted]
            for wanted in _STRONGEST
        }
        for wanted, asking in by_policy.items():
            for finding in asking:
                self.memory.log(finding, wanted, self._described(wanted, asking, step))
        for wanted, asking in by_policy.items():
            if not asking:
                continue
            if wanted == "rollback":
                self._roll_back(asking, step)
            elif wanted == "replay" and self._can_replay(asking, step):
                self._replay(asking, step, check)
            elif wanted == "stop":
                self.memory.state.ended = f"{asking[0].monitor}: {asking[0].message}"
                self.memory.state.stops_run = True
                self.memory.save()
                control.should_training_stop = control.should_save = True
            elif wanted == "lower_rate":
                self._lower(step, parts)

    def _can_replay(self, findings: Sequence[Finding], step: int) -> bool:
        wanted = {mode for finding in findings for mode in finding.modes}
        there = any(not wanted or row.failure_mode in wanted for row in self.plan.pool)
        return there and step not in self.memory.state.replays

    def _described(self, action: str, findings: Sequence[Finding], step: int) -> str:
        state, factor = self.memory.state, self.plan.settings.rate_factor
        if action == "rollback":
            again = self.tries_at(step) <= self.plan.settings.retries
            tail = f"on at {factor:g} of the rate" if again else "the layer ends there"
            return f"back to step {state.good}, {tail}"
        able = self._can_replay(findings, step)
        return {
            "lower_rate": f"rate multiplied by {factor:g}",
            "replay": "earlier data trained on" if able else "no earlier data to train on",
            "stop": "training ends",
        }.get(action, "none")

    def tries_at(self, step: int) -> int:
        """Rollbacks for one trouble, with a finding at `step`; at least 1.

        Findings are one trouble while none lies more than a tenth of the training (or ten
        steps) beyond the one before. Two far apart are two: the layer was tried again and got
        past the first, so they do not add up to the end of a long training.
        """
        state = self.memory.state
        near = max(_FEWEST_STEPS, round(self._steps * _SAME_TROUBLE))
        return state.tries + 1 if state.tries and step <= state.trouble + near else 1

    def _roll_back(self, findings: Sequence[Finding], step: int) -> None:
        state = self.memory.state
        state.rollbacks += 1
        state.tries, state.trouble = self.tries_at(step), step
        if state.tries > self.plan.settings.retries:
            state.ended = f"{findings[0].monitor}: {findings[0].message}"
            state.undone = True
        else:
            key = str(state.good)
            state.scales[key] = state.scales.get(key, 1.0) * self.plan.settings.rate_factor
        self.memory.save()
        self._drop(lambda step: step > state.good)
        raise Rollback

    def _replay(self, findings: Sequence[Finding], step: int, check: Check | None) -> None:
        modes = sorted({mode for finding in findings for mode in finding.modes})
        self.memory.state.replaying = {"step": step, "modes": modes}
        if check is not None:
            self.memory.add(check)
        self.memory.save()
        raise Replay

    def _lower(self, step: int, parts: dict[str, Any]) -> None:
        state, factor = self.memory.state, self.plan.settings.rate_factor
        if step == self._steps:  # nothing is left to train here
            state.carry *= factor
        elif str(step) not in state.scales:  # else a kill came after it was written down
            state.scales[str(step)] = factor
            scale_rate(parts["optimizer"], parts["lr_scheduler"], factor)
        self.memory.save()

    def _prune(self, newest: int) -> None:
        """Keeps the last good checkpoint and the newest."""
        self._drop(lambda step: step not in (self.memory.state.good, newest))

    def _drop(self, unwanted: Callable[[int], bool]) -> None:
        for path in self._checkpoints.glob("checkpoint-*"):
            number = path.name.removeprefix("checkpoint-")
            if number.isdigit() and unwanted(int(number)):
                shutil.rmtree(path)


class Rollback(Exception):  # noqa: N818 - an order, not an error
    """Go back to the last good check."""


class Replay(Exception):  # noqa: N818 - an order, not an error
    """Train on earlier data, then go on."""


class WeightMotion:
    """Follows a part of every trained tensor: enough to tell a moving model from a dead one.

    Args:
        model: The model; tensors that need no gradient are not followed.
    """

    def __init__(self, model: Any) -> None:
        self._followed = [p for p in model.parameters() if p.requires_grad]
        self._before = self._sample()

    def _sample(self) -> list[torch.Tensor]:
        return [p.detach().flatten()[:_PER_TENSOR].float().clone() for p in self._followed]

    def since_last(self) -> float:
        """Largest absolute change of a followed weight since the last call, at least 0."""
        now = self._sample()
        moves = [(a - b).abs().max() for a, b in zip(now, self._before, strict=True) if len(a)]
        self._before = now
        return float(torch.stack(moves).max()) if moves else 0.0


def scale_rate(optimizer: Any, scheduler: Any, factor: float) -> None:
    """Multiplies the learning rate from now on; a checkpoint keeps it."""
    inner = getattr(scheduler, "scheduler", scheduler)
    inner.base_lrs = [rate * factor for rate in inner.base_lrs]
    for group in optimizer.param_groups:
        group["lr"] *= factor
        if "initial_lr" in group:
            group["initial_lr"] *= factor
    inner._last_lr = [group["lr"] for group in optimizer.param_groups]
