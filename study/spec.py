"""Reads `study.yaml` and reports all problems with it at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from ..errors import ConfigurationError
from ..files.validation import validation_problems
from ..files.yaml_document import YamlDocument
from ..files.yaml_file import load_yaml
from .outcome import StudyMeasure, read_outcome

_STRICT = ConfigDict(frozen=True, extra="forbid")
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


class NoHarm(BaseModel):
    """A measure that must not get worse, and by how much it may."""

    model_config = _STRICT

    outcome: Outcome
    """What is measured."""
    margin: float = Field(gt=0.0)
    """Largest change for the worse that would not matter, in the outcome's units (rates:
    0.05 is five points; perplexity: nats per token)."""


class Expectation(BaseModel):
    """What the author expects, for power before anything is run."""

    model_config = _STRICT

    effect: float = Field(gt=0.0)
    """Difference worth seeing, in the outcome's units."""
    sd: float | None = Field(default=None, gt=0.0)
    """Standard deviation of the difference between paired seeds; null: taken from finished
    runs of this study."""


class Stopping(BaseModel):
    """When a study ends before all its runs have; the number of seeds is always fixed."""

    model_config = _STRICT

    max_hours: float | None = Field(default=None, gt=0.0)
    """No run is started after so many hours of one `study run`."""
    max_failed: int | None = Field(default=None, ge=1)
    """No run is started once so many have failed."""


class Generator(BaseModel):
    """Makes arms by rule. Which fields a kind reads is said in docs/studies."""

    model_config = _STRICT

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


class Sized(BaseModel):
    """What `--full` changes."""

    model_config = _STRICT

    set: Overrides = {}
    """Overrides for all arms, on top of `set`."""
    seeds: tuple[int, ...] | None = None
    """Seeds instead of `seeds`."""


class StudySpec(BaseModel):
    """One study. Unknown keys are refused."""

    model_config = _STRICT

    name: str
    """Name of the study's folder, `[a-z0-9-]`."""
    question: str = Field(min_length=5, max_length=500)
    """What is asked, in one sentence; the report's title."""
    base: str | dict[str, Any]
    """The run config all arms start from: a file (beside this one), or written out."""
    set: Overrides = {}
    """Overrides for all arms."""
    arms: dict[str, Overrides | None] = {}
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
    data = document.data if document.data is not None else {}
    try:
        return StudyFile(StudySpec.model_validate(data), document)
    except ValidationError as error:
        raise ConfigurationError(validation_problems(error, document, StudySpec)) from None
