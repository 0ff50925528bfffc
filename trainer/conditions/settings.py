"""Settings of the six monitors: what each looks for, and what it may do."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ...files.validation import Strict

Policy = Literal["off", "warn", "stop", "lower_rate", "replay", "rollback"]
"""`warn` only writes it down. `stop` ends training with the weights as they are; where layers
or rounds were to follow, the run ends there with an error.
`lower_rate` multiplies the rate by `rate_factor`. `replay` trains on earlier data of the
injured failure mode. `rollback` goes back to the last good check and on at a lower rate;
when that has been tried `retries` times, the layer ends at that check."""

NAMES = ("dead_rate", "not_finite", "kl_budget", "falling_chosen", "stall", "re_injury")
"""The monitors, in the order in which they are asked."""


class Monitor(Strict):
    """One monitor. `re_injury: warn` is short for `re_injury: {policy: warn}`."""

    policy: Policy = "warn"
    """What happens when it fires."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"policy": value} if isinstance(value, str) else value


class DeadRate(Monitor):
    """Weights stand still while the plan has the learning rate up.

    Judged are the steps for which the schedule plans at least a tenth of its highest rate:
    the beginning of a warm-up and the tail of a schedule are near zero by plan.
    """

    policy: Literal["off", "warn", "stop"] = "stop"
    """What happens when it fires. A lower rate or older data would not help."""
    least_step: float = Field(default=1e-7, gt=0)
    """Largest move of any weight in one step, below which nothing is learned; a tenth of the
    planned rate, where that is less."""
    patience: int = Field(default=3, ge=1)
    """Judged steps in a row without a move."""


class NotFinite(Monitor):
    """Loss or gradient is NaN or infinite. The step is left out in every case."""

    policy: Literal["warn", "stop", "lower_rate", "rollback"] = "rollback"
    """What happens when it fires. It cannot be off: such a step destroys the model."""


class KLBudget(Monitor):
    """The model has moved too far from the reference on plain text of ours."""

    policy: Policy = "lower_rate"
    budget: float = Field(default=1.0, gt=0)
    """Mean KL divergence (nats per token) from model to reference that is allowed."""


class FallingChosen(Monitor):
    """The chosen answers become less likely while the margin grows."""

    policy: Policy = "warn"
    most: float = Field(default=0.3, gt=0)
    """Fall of the chosen answers' log-probability (mean nats per token) that is allowed."""


class Stall(Monitor):
    """The probe has gained nothing for several checks."""

    policy: Policy = "warn"
    checks: int = Field(default=3, ge=1)
    """Checks in a row without a gain."""
    least_gain: float = Field(default=0.01, ge=0)
    """Mean gain (nats per token) over those checks that counts as one."""


class ReInjury(Monitor):
    """A failure mode is worse than it was before: paired t test, Holm over modes."""

    policy: Policy = "rollback"
    least_drop: float = Field(default=0.1, gt=0)
    """Fall of a mode's mean margin (nats per token) that matters."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Largest Holm-adjusted p-value that counts."""


class MonitorSettings(Strict):
    """All monitors, when they look, and how strongly they act."""

    dead_rate: DeadRate = DeadRate()
    """No weight moves."""
    not_finite: NotFinite = NotFinite()
    """NaN or infinity."""
    kl_budget: KLBudget = KLBudget()
    """Too far from the reference."""
    falling_chosen: FallingChosen = FallingChosen()
    """Away from both answers."""
    stall: Stall = Stall()
    """No gain."""
    re_injury: ReInjury = ReInjury()
    """A healed failure returns."""
    checks: int = Field(default=2, ge=1)
    """Checks while a layer trains, evenly spaced; the last stands at its end."""
    check_pairs: int = Field(default=4, ge=2)
    """Labelled pairs of one failure mode and role in a check before the layer's end."""
    anchors: int = Field(default=8, ge=1)
    """Chunks of plain text on which the KL divergence is measured."""
    sentinels: int = Field(default=16, ge=2)
    """Training pairs on which the chosen answers are followed."""
    rate_factor: float = Field(default=0.5, gt=0, lt=1)
    """What the rate is multiplied by when it is lowered."""
    retries: int = Field(default=1, ge=0)
    """Times a layer is tried again after a rollback, for each trouble: what fires more than a
    tenth of the layer (or ten steps) further on than before is another one."""
    replay_rows: int = Field(default=32, ge=1)
    """Most rows of earlier data in one replay."""

    def only_warning(self) -> MonitorSettings:
        """The same monitors, none of which acts (a step that is not finite is left out)."""
        quiet = {
            name: getattr(self, name).model_copy(update={"policy": "warn"})
            for name in NAMES
            if getattr(self, name).policy != "off"
        }
        return self.model_copy(update=quiet)
