"""A check of a model in training, and the monitors that judge it; none touches the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

from ...stats.intervals import Estimate, holm, mean_estimate, paired_mean_difference
from .settings import FallingChosen, KLBudget, ReInjury, Stall


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        step: Optimizer step of the layer; 0 is its start.
        probe: Labelled pair -> margin (nats per token) by which the good answer is likelier.
        modes: Labelled pair -> the failure mode its failing answer shows.
        kl: Mean KL divergence to the reference on plain text, nats per token; None if
            not measured.
        chosen: Log-probability of the chosen answer of each sentinel pair, nats per token.
        margins: Chosen minus rejected of the same pairs, nats per token.
        seconds: Wall time.
    """

    step: int
    probe: dict[str, float]
    modes: dict[str, str]
    kl: float | None = None
    chosen: tuple[float, ...] = ()
    margins: tuple[float, ...] = ()
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Mean margin over all labelled pairs."""
        return fmean(self.probe.values()) if self.probe else 0.0

    def mean_over(self, items: Sequence[str]) -> float:
        """Mean margin over some labelled pairs, all of which this check holds."""
        return fmean(self.probe[item] for item in items)

    def by_mode(self) -> dict[str, Estimate]:
        """Failure mode -> mean margin with its t interval; modes with fewer than 2 left out."""
        margins: dict[str, list[float]] = {}
        for item, margin in self.probe.items():
            margins.setdefault(self.modes[item], []).append(margin)
        return {
            mode: mean_estimate(values)
            for mode, values in sorted(margins.items())
            if len(values) > 1
        }

    def with_probe(self, other: Check) -> Check:
        """This check with the labelled pairs of another one of the same weights."""
        return replace(self, probe=other.probe, modes=other.modes)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Check:
        """What `to_json` gave, read back from JSON."""
        pairs = {"chosen": tuple(data["chosen"]), "margins": tuple(data["margins"])}
        return cls(**{**data, **pairs})


def kl_budget(now: Check, settings: KLBudget, before: Check | None = None) -> Finding | None:
    """Fires when the model has moved further from its reference than allowed, and still moves.

    A model that was beyond the budget and has come no further since is not found again: each
    finding lowers the rate, and the distance of earlier layers stays however low it is.
    """
    if now.kl is None or now.kl <= settings.budget:
        return None
    if before is not None and before.kl is not None and now.kl <= before.kl:
        return None
    return Finding(
        "kl_budget",
        now.step,
        f"the model is {now.kl:.3g} nats per token from its reference; {settings.budget:g} "
        "are allowed",
        {"kl": now.kl, "budget": settings.budget},
    )


def falling_chosen(now: Check, start: Check, settings: FallingChosen) -> Finding | None:
    """Fires when chosen answers fall by more than allowed while the margin grows.

    Both are followed on the same training pairs since the layer's start. The whole 95%
    interval of the fall must be below 0.
    """
    if len(now.chosen) < 2 or len(now.chosen) != len(start.chosen):
        return None
    fall = mean_estimate([a - b for a, b in zip(now.chosen, start.chosen, strict=True)])
    growth = mean_estimate([a - b for a, b in zip(now.margins, start.margins, strict=True)])
    if fall.value > -settings.most or fall.interval.high >= 0 or growth.value <= 0:
        return None
    return Finding(
        "falling_chosen",
        now.step,
        f"the chosen answers lost {-fall.value:.2g} nats per token while the margin grew by "
        f"{growth.value:.2g}: the model moves away from both answers",
        {"fall": -fall.value, "growth": growth.value},
    )


def stall(now: Check, before: Sequence[Check], settings: Stall) -> Finding | None:
    """Fires when the mean margin has gained less than asked over the last k checks.

    Only labelled pairs that all those checks hold are compared.

    Args:
        now: The newest check.
        before: Those before it, oldest first.
        settings: How many checks, and which gain counts.
    """
    if len(before) < settings.checks:
        return None
    window = [*before[-settings.checks :], now]
    items = sorted(set.intersection(*(set(check.probe) for check in window)))
    if not items:
        return None
    means = [check.mean_over(items) for check in window]
    gain = max(means[1:]) - means[0]
    if gain > settings.least_gain:
        return None
    return Finding(
        "stall",
        now.step,
        f"the probe gained {gain:.2g} nats per token in {settings.checks} checks",
        {"gain": gain, "checks": float(settings.checks)},
    )


def re_injury(
    now: Check, start: Check, ends: Sequence[Check], settings: ReInjury
) -> Finding | None:
    """Fires when a failure mode is worse than at its best, and this layer made it worse.

    Per failure mode: the same labelled pairs now and at the earlier layer's end (or
    before training) at which the mode stood best; a paired t test, Holm-adjusted over
    modes, and a least drop. At least half of that drop must have come since the layer's
    start, so that a layer does not answer for the damage of an earlier one.
    """
    modes = sorted(set(now.modes.values()))
    drops = [drop for mode in modes if (drop := _drop(mode, now, start, ends)) is not None]
    adjusted = holm([drop.p for drop in drops])
    found = [
        drop
        for drop, p in zip(drops, adjusted, strict=True)
        if p < settings.alpha
        and drop.change <= -settings.least_drop
        and drop.here <= -settings.least_drop / 2
    ]
    if not found:
        return None
    worst = sorted(found, key=lambda drop: drop.change)
    named = ", ".join(f"{drop.mode} ({drop.change:+.2f} nats per token)" for drop in worst)
    return Finding(
        "re_injury",
        now.step,
        f"worse than before: {named}",
        {drop.mode: drop.change for drop in worst},
        tuple(drop.mode for drop in worst),
    )


@dataclass(frozen=True, slots=True)
class _Drop:
    """One mode's change against its best, and since the layer's start."""

    mode: str
    change: float
    here: float
    p: float


def _drop(mode: str, now: Check, start: Check, ends: Sequence[Check]) -> _Drop | None:
    items = [item for item in now.probe if now.modes[item] == mode and item in start.probe]
    holding = [end for end in (*ends, start) if all(item in end.probe for item in items)]
    if len(items) < 2:
        return None
    best = max(holding, key=lambda end: end.mean_over(items))
    change = paired_mean_difference(
        [best.probe[item] for item in items], [now.probe[item] for item in items]
    )
    here = now.mean_over(items) - start.mean_over(items)
    return _Drop(mode, change.value, here, change.p)


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition that failed.

    Attributes:
        monitor: The monitor's name.
        step: Optimizer step of the layer.
        message: What was seen, in one sentence.
        values: The numbers behind it.
        modes: Failure modes concerned; () for all.
    """

    monitor: str
    step: int
    message: str
    values: dict[str, float] = field(default_factory=dict)
    modes: tuple[str, ...] = ()
