"""Gates: bounds that an evaluation must keep, for a build that should stop where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from ...files.validation import Strict, read_model
from ...files.yaml_file import load_yaml
from ...stats.intervals import Estimate
from ..change import Change
from ..change import changes as changes_between
from .evaluation import ModelOutcomes


class Gate(Strict):
    """One bound. Shares are fractions: 0.03 is three points."""

    suite: str
    """Suite, with its attack where it has one: `jbb-harmful+aim`."""
    metric: str
    """`defended`, `over_refusal`, `accuracy`, ..."""
    failure_mode: str = ""
    """For suites with several failure modes; "" for the first that has the metric."""
    at_least: float | None = None
    """The value may not be below."""
    at_most: float | None = None
    """The value may not be above."""
    fall_at_most: float | None = Field(default=None, ge=0)
    """Against the baseline, on the same prompts: it may not fall by more."""
    rise_at_most: float | None = Field(default=None, ge=0)
    """Against the baseline, on the same prompts: it may not rise by more."""
    sure: bool = True
    """True: the worse end of the 95% interval must keep the bound. False: the value."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        bounds = (self.at_least, self.at_most, self.fall_at_most, self.rise_at_most)
        if sum(bound is not None for bound in bounds) != 1:
            raise ValueError("give one of at_least, at_most, fall_at_most, rise_at_most")
        return self

    @property
    def paired(self) -> bool:
        """True where it needs a baseline."""
        return self.fall_at_most is not None or self.rise_at_most is not None


class Gates(Strict):
    """A gate file."""

    gates: tuple[Gate, ...] = Field(min_length=1)
    """All must hold."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether one model kept one bound.

    Attributes:
        gate: The bound.
        model: The model.
        passed: False also where the measure is missing: nothing passes unseen.
        text: What was found against what was asked, in words.
    """

    gate: Gate
    model: str
    passed: bool
    text: str


def load_gates(path: Path) -> Gates:
    """Reads a gate file.

    Raises:
        ConfigurationError: Every problem of the file, with its line.
    """
    return read_model(Gates, load_yaml(path))


def check_gates(
    gates: Gates, model: ModelOutcomes, baseline: ModelOutcomes | None
) -> list[GateResult]:
    """Checks every gate for one model.

    Args:
        gates: The bounds.
        model: The model that must keep them.
        baseline: What paired gates compare with; None fails them.
    """
    changes: Sequence[Change] = ()
    if baseline is not None and any(gate.paired for gate in gates.gates):
        changes = changes_between(baseline, model)
    return [
        _paired(gate, model.name, changes) if gate.paired else _plain(gate, model)
        for gate in gates.gates
    ]


def _plain(gate: Gate, model: ModelOutcomes) -> GateResult:
    estimate = _find(gate, model)
    if estimate is None:
        return GateResult(gate, model.name, False, "not measured")
    ends = estimate.interval
    if gate.at_least is not None:
        seen = ends.low if gate.sure else estimate.value
        passed, asked = seen >= gate.at_least, f"at least {gate.at_least:g}"
    else:
        assert gate.at_most is not None
        seen = ends.high if gate.sure else estimate.value
        passed, asked = seen <= gate.at_most, f"at most {gate.at_most:g}"
    found = f"{estimate.value:.3f} [{ends.low:.3f}, {ends.high:.3f}], n={estimate.n}"
    return GateResult(gate, model.name, passed, f"{found}; asked: {asked}{_by(gate)}")


def _paired(gate: Gate, name: str, changes: Sequence[Change]) -> GateResult:
    found = next(
        (
            change
            for change in changes
            if change.measure.suite == gate.suite
            and change.measure.name == gate.metric
            and gate.failure_mode in ("", change.measure.failure_mode)
        ),
        None,
    )
    if found is None:
        return GateResult(
            gate, name, False, "not measured on both models with the same prompts, asked alike"
        )
    value, ends = found.difference.value, found.difference.interval
    if gate.fall_at_most is not None:
        seen = ends.low if gate.sure else value
        passed, asked = seen >= -gate.fall_at_most, f"a fall of at most {gate.fall_at_most:g}"
    else:
        assert gate.rise_at_most is not None
        seen = ends.high if gate.sure else value
        passed, asked = seen <= gate.rise_at_most, f"a rise of at most {gate.rise_at_most:g}"
    text = f"change {value:+.3f} [{ends.low:+.3f}, {ends.high:+.3f}], n={found.difference.n}"
    return GateResult(gate, name, passed, f"{text}; asked: {asked}{_by(gate)}")


def _find(gate: Gate, model: ModelOutcomes) -> Estimate | None:
    outcome = model.suite(gate.suite)
    if outcome is None:
        return None
    for measure in outcome.measures():
        if measure.name == gate.metric and gate.failure_mode in ("", measure.failure_mode):
            return outcome.estimate(measure)
    return None


def _by(gate: Gate) -> str:
    return ", by the interval's worse end" if gate.sure else ", by the value"
