"""Suites with one or more models, and the file form of what was measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ...stats.intervals import Estimate
from ..answer import JudgeQuality
from ..file_form import form_text, model_named, read_form
from ..measure import Measure
from .outcome import SuiteOutcome

FORMAT: Final = "anlage suites 1"
UNKNOWN: Final = "not written down"
"""Name in `SuiteOutcome.how` where a file of an earlier version does not say it."""


@dataclass(frozen=True, slots=True)
class ModelOutcomes:
    """One model on all suites.

    Attributes:
        name: The caller's name for the model.
        fingerprint: The model's fingerprint.
        suites: One outcome per suite it could be measured on.
        notes: What could not be measured and why.
    """

    name: str
    fingerprint: str
    suites: tuple[SuiteOutcome, ...]
    notes: tuple[str, ...] = field(default=())

    def suite(self, name: str) -> SuiteOutcome | None:
        """The outcome of a suite, or None where it was not measured."""
        return next((outcome for outcome in self.suites if outcome.suite == name), None)

    def measures(self) -> list[Measure]:
        """What is measured on all suites, in table order."""
        return [measure for outcome in self.suites for measure in outcome.measures()]

    def units(self, measure: Measure) -> dict[str, float]:
        """Unit id -> value; {} where the suite was not measured."""
        outcome = self.suite(measure.suite)
        return {} if outcome is None else outcome.units(measure)

    def estimate(self, measure: Measure) -> Estimate | None:
        """The measure with its 95% interval, or None with too few units."""
        return measure.estimate(self.units(measure), self.requests(measure))

    def requests(self, measure: Measure) -> dict[str, str]:
        """Unit id -> id of what was asked: the same for one request under several attacks."""
        outcome = self.suite(measure.suite)
        return {} if outcome is None else outcome.requests()

    def asked(self, measure: Measure) -> Hashable:
        """Everything its suite asked, and how; None where the suite was not measured."""
        outcome = self.suite(measure.suite)
        return None if outcome is None else outcome.asked(measure)


@dataclass(frozen=True, slots=True)
class SuiteEvaluation:
    """Everything `anlage evaluate --suites` measured.

    Attributes:
        models: One entry per model, in the order given.
        judge: The refusal judge's measured quality.
        judge_name: Which judge it was.
        system: System prompt of every answer, "" for none.
        seed: Seed of the samples of suites that were not asked whole.
        warnings: What a reader must know before any number.
    """

    models: tuple[ModelOutcomes, ...]
    judge: JudgeQuality
    judge_name: str = "refusal judge"
    system: str = ""
    seed: int = 0
    warnings: tuple[str, ...] = ()

    def model(self, name: str) -> ModelOutcomes:
        """The outcomes of one model.

        Raises:
            KeyError: No model has this name; the message lists those there are.
        """
        return model_named(self.models, name)

    def to_json(self) -> str:
        """As JSON: the same evaluation gives the same bytes."""
        return form_text(FORMAT, asdict(self))

    @classmethod
    def from_json(cls, text: str, *, source: str = "evaluation") -> SuiteEvaluation:
        """Reads what `to_json` wrote.

        Raises:
            ConfigurationError: Not JSON, another format, or a field is missing.
        """
        fix = "write it with `anlage evaluate MODEL --suites ... --json FILE`"
        wrong = "is no evaluation of suites"
        return read_form(text, FORMAT, _evaluation, source=source, wrong=wrong, fix=fix)


def _evaluation(data: dict[str, Any]) -> SuiteEvaluation:
    # A file of before `how` was written down can be compared only with itself.
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
    for model in data["models"]:
        for outcome in model["suites"]:
            outcome.setdefault("how", {UNKNOWN: digest})
    return SuiteEvaluation(
        models=tuple(_model(entry) for entry in data["models"]),
        judge=JudgeQuality(**data["judge"]),
        judge_name=data["judge_name"],
        system=data["system"],
        seed=data["seed"],
        warnings=tuple(data["warnings"]),
    )


def _model(entry: Mapping[str, Any]) -> ModelOutcomes:
    return ModelOutcomes(
        name=entry["name"],
        fingerprint=entry["fingerprint"],
        suites=tuple(SuiteOutcome.from_data(outcome) for outcome in entry["suites"]),
        notes=tuple(entry["notes"]),
    )
