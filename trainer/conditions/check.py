"""What is measured of a model between two stretches of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from ...stats.intervals import Estimate, mean_estimate


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
