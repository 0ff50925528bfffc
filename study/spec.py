"""Reads `study.yaml`, with the measures it names, and reports all problems with it at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from ..archetypes.vocabulary import load_failure_modes
from ..evaluation.measure import HARM, Measure, RunName
from ..evaluation.model_evaluation import ModelEvaluation
from ..files.validation import Strict, read_model, suggestion
from ..files.yaml_document import YamlDocument
from ..files.yaml_file import load_yaml

OutcomeName = Literal[RunName, "separation"]
"""Those of the evaluation, and `separation`: defended minus over-refused, twin by twin."""


class StudyMeasure(Strict):
    """Names the measure that is taken on each run."""

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


Overrides = dict[str, Any]
"""Dotted path into the run config -> value."""
Vary = Literal["both", "data", "train"]
ControlName = Literal[
    "base",
    "system_prompt",
    "plain_hhh",
    "shuffled",
    "inverted",
    "no_critique",
    "no_rule",
    "no_critique_no_rule",
]

DEFAULT_CONTROLS: tuple[ControlName, ...] = (
    "base",
    "system_prompt",
    "plain_hhh",
    "shuffled",
    "no_critique",
)
FULL = "full"
"""Name of the arm that changes nothing; added where no arm of that name is written."""

Outcome = Annotated[StudyMeasure, BeforeValidator(read_outcome)]


class NoHarm(Strict):
    """A measure that must not get worse, and by how much it may."""

    outcome: Outcome
    """What is measured."""
    margin: float = Field(gt=0.0)
    """Largest change for the worse that would not matter, in the outcome's units (rates:
    0.05 is five points; perplexity: nats per token)."""


class Expectation(Strict):
    """What the author expects, for power before anything is run."""

    effect: float = Field(gt=0.0)
    """Difference worth seeing, in the outcome's units."""
    sd: float | None = Field(default=None, gt=0.0)
    """Standard deviation of the difference between paired seeds; null: taken from finished
    runs of this study."""


class Stopping(Strict):
    """When a study ends before all its runs have; the number of seeds is always fixed."""

    max_hours: float | None = Field(default=None, gt=0.0)
    """No run is started after so many hours of one `study run`."""
    max_failed: int | None = Field(default=None, ge=1)
    """No run is started once so many have failed."""


class Generator(Strict):
    """Makes arms by rule. Which fields a kind reads is said in docs/studies."""

    kind: str
    """The rule; an unknown one is refused with those there are."""
    field: str | None = None
    """`values`: dotted path of the field."""
    values: tuple[Any, ...] = ()
    """The values, one arm each."""
    names: tuple[str, ...] | None = None
    """Archetypes, principles or layers the rule goes through; null for all."""
    count: int = Field(default=5, ge=1, le=1000)
    """`layer_permutations`: how many."""
    seed: int = Field(default=0, ge=0)
    """Seeds random rules."""
    hold: str | None = None
    """Layers whose name or archetype contains this text, and all before the first of them,
    stay where they are."""


class Sized(Strict):
    """What `--full` changes."""

    set: Overrides = Field(default={})
    """Overrides for all arms, on top of `set`."""
    seeds: tuple[int, ...] | None = None
    """Seeds instead of `seeds`."""


class StudySpec(Strict):
    """One study. Unknown keys are refused."""

    name: str
    """Name of the study's folder, `[a-z0-9-]`."""
    question: str = Field(min_length=5, max_length=500)
    """What is asked, in one sentence; the report's title."""
    base: str | dict[str, Any]
    """The run config all arms start from: a file (beside this one), or written out."""
    set: Overrides = Field(default={})
    """Overrides for all arms."""
    arms: dict[str, Overrides | None] = Field(default={})
    """Arm -> overrides. `seed_offset` adds to the arm's seeds."""
    generate: tuple[Generator, ...] = ()
    """Rules that make more arms."""
    controls: Literal["default", "none"] | tuple[ControlName, ...] = "default"
    """Control arms; `none` is said in the report's first line."""
    against: str = FULL
    """The arm every other one is compared with."""
    comparisons: tuple[str, ...] | None = None
    """Arms whose comparison is declared, so adjusted together; null for all."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """One run per arm and seed."""
    vary: Vary = "both"
    """Which seed changes: that of the data, of training, or both. `train` shares all data."""
    suites: tuple[str, ...] | None = None
    """Prompt sets that are measured; null leaves the base config's."""
    outcome: Outcome | None = None
    """The primary outcome, declared before anything is run."""
    secondary: tuple[Outcome, ...] = ()
    """Outcomes that are shown but carry no claim."""
    no_harm: tuple[NoHarm, ...] = ()
    """What must not get worse."""
    expect: Expectation | None = None
    """For the power in the plan."""
    stop: Stopping = Stopping()
    """Stopping rule."""
    full: Sized | None = None
    """What `--full` changes."""
    runs: str = "runs"
    """Folder of the runs, shared with all others."""

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
            raise ValueError(f"{name!r} is no study name: use a-z, 0-9 and '-', at most 40")
        return name

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
            got = ", ".join(map(str, seeds)) or "none"
            raise ValueError(
                f"seeds are {got}; give different whole numbers from 0 on, each once: [0, 1, 2]"
            )
        return seeds


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study as read, with the lines of its file for messages."""

    spec: StudySpec
    document: YamlDocument


def load_spec(path: str | Path) -> StudyFile:
    """Reads a study file.

    Raises:
        ConfigurationError: Every problem of the file, with file and line.
    """
    document = load_yaml(path)
    return StudyFile(read_model(StudySpec, document), document)
