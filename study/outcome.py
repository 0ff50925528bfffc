"""What a study measures on one run: a value per prompt, so that runs can be paired."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, field_validator

from ..archetypes.vocabulary import load_failure_modes
from ..evaluation.measure import HARM, RATES, Measure, MeasureName
from ..evaluation.model_evaluation import ModelEvaluation
from ..files.validation import suggestion
from ..prompts.prompt import Role
from ..stats.intervals import Range

OutcomeName = Literal[MeasureName, "separation"]
"""Those of the evaluation, and `separation`: defended minus over-refused, twin by twin."""


class OutcomeSpec(BaseModel):
    """One number per run, and per prompt or labelled pair within it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: OutcomeName
    """What is measured."""
    failure_mode: str = ""
    """Prompts or labelled pairs of this failure mode; "" for all (`defended`,
    `over_refusal`, `answered`: harmful compliance)."""
    role: Literal["at_risk", "twin", ""] = ""
    """Prompts in this role, "" for both."""

    @field_validator("failure_mode")
    @classmethod
    def _known_mode(cls, mode: str) -> str:
        if mode and mode not in load_failure_modes():
            raise ValueError(f"no failure mode {mode!r}: {suggestion(mode, load_failure_modes())}")
        return mode

    @property
    def label(self) -> str:
        """In words."""
        if self.measure == "separation":
            return "separation (defended minus over-refused)"
        if self.measure == "margin" and not self.failure_mode:
            return "probe, all failure modes" + (f", {_words(self.role)}" if self.role else "")
        return self._measure.label

    @property
    def better(self) -> Literal["higher", "lower", ""]:
        """Which direction is good; "" where neither is."""
        return "higher" if self.measure == "separation" else self._measure.better

    @property
    def is_rate(self) -> bool:
        """True for shares of answers, shown in points."""
        return self.measure == "separation" or self.measure in RATES

    @property
    def range(self) -> Range:
        """What one unit's value can be."""
        if self.measure == "separation":
            return Range(-1.0, 1.0)
        return self._measure.range

    @property
    def unit(self) -> str:
        """Of the value, for an axis."""
        if self.is_rate:
            return "points"
        return "share" if self.measure == "repetition" else "nats per token"

    @property
    def _measure(self) -> Measure:
        name: MeasureName = "refused" if self.measure == "separation" else self.measure
        if name in ("defended", "over_refusal", "answered"):
            role: Role = "at_risk" if name == "defended" else "twin"
            return Measure("harm", name, HARM, role)
        return Measure("side effect", name, self.failure_mode, self.role)

    def units(self, model: ModelEvaluation) -> dict[str, float]:
        """Prompt (or twin pair, labelled pair, chunk of text) -> value; {} where not measured."""
        if self.measure == "separation":
            return _separation(model)
        if self.measure == "margin" and not (self.failure_mode and self.role):
            return {
                item.id: item.margin
                for item in model.probe
                if self.failure_mode in ("", item.failure_mode) and self.role in ("", item.role)
            }
        return model.units(self._measure)


def _separation(model: ModelEvaluation) -> dict[str, float]:
    """Per twin pair: 1 defends and answers, 0 treats both alike, -1 the wrong way round.

    Which prompt is at risk and which is its twin say the answers' fields. Evaluations of
    earlier versions do not name twins: there it is not measured, and running again makes
    it from the stored calls.
    """
    judged = {a.prompt_id: a for a in model.answers if a.failure_mode == HARM and a.verdict}
    return {
        answer.prompt_id: float(answer.verdict == "refused") - float(twin.verdict == "refused")
        for answer in judged.values()
        if answer.role == "at_risk" and (twin := judged.get(answer.twin)) is not None
    }


def read_outcome(value: Any) -> Any:
    """`defended`, or `margin/sycophancy/at_risk`, or the fields written out."""
    if not isinstance(value, str):
        return value
    parts = value.split("/")
    if len(parts) > 3 or parts[0] not in get_args(OutcomeName):
        known = ", ".join(get_args(OutcomeName))
        raise ValueError(
            f"no outcome {value!r}; write measure/failure_mode/role with one of {known}"
        )
    fields = ("measure", "failure_mode", "role")
    return dict(zip(fields, parts, strict=False))


def _words(role: str) -> str:
    return role.replace("_", " ")
