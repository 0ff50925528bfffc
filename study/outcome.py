"""What a study measures on one run: one value per prompt, so that runs can be paired."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic_core import PydanticCustomError

from ..archetypes.vocabulary import load_failure_modes
from ..evaluation.measure import HARM, Measure, RunName
from ..evaluation.model_evaluation import ModelEvaluation
from ..files.validation import suggestion

OutcomeName = Literal[RunName, "separation"]
"""Those of the evaluation, and `separation`: defended minus over-refused, twin by twin."""


class StudyMeasure(BaseModel):
    """Names the measure that is taken on each run."""

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
    def what(self) -> Measure:
        """The measure that is named: its words, unit and good direction."""
        if self.measure == "separation":
            return Measure("separation")
        if self.measure in ("defended", "over_refusal", "answered"):
            return Measure(self.measure, HARM, "at_risk" if self.measure == "defended" else "twin")
        return Measure(self.measure, self.failure_mode, self.role)

    def units(self, model: ModelEvaluation) -> dict[str, float]:
        """Prompt (or twin pair, labelled pair, chunk of text) -> value; {} where not measured."""
        return model.units(self.what)


def read_outcome(value: Any) -> Any:
    """`defended`, or `margin/sycophancy/at_risk`, or the fields written out."""
    if not isinstance(value, str):
        return value
    parts = value.split("/")
    if len(parts) > 3 or parts[0] not in get_args(OutcomeName):
        known = ", ".join(get_args(OutcomeName))
        raise PydanticCustomError(
            "unknown_word",
            f"no outcome {value!r}; write measure/failure_mode/role with one of {known}",
        )
    if len(parts) == 3 and parts[1] in ("at_risk", "twin"):
        raise PydanticCustomError(
            "unknown_word",
            f"the parts of {value!r} stand in another order; write measure/failure_mode/role: "
            f"{parts[0]}/{parts[2]}/{parts[1]}",
        )
    fields = ("measure", "failure_mode", "role")
    return dict(zip(fields, parts, strict=False))
