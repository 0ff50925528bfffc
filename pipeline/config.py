"""The config of a run: one YAML file, every default written out into the run directory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from ..errors import ConfigurationError, Problem
from ..files.validation import read_model
from ..files.yaml_document import YamlDocument
from ..files.yaml_file import load_yaml
from ..llm.budget import BudgetLimits
from ..llm.chat.settings import ChatSettings
from ..llm.local.embedded import EMBEDDED
from ..preferences.selection import PairSelection
from ..preferences.settings import PairSettings
from ..trainer.config import TrainConfig
from .conditions import Conditions
from .layer import LayerConfig

_STRICT = ConfigDict(frozen=True, extra="forbid")


class ArchetypeChoice(BaseModel):
    """Which archetypes are compiled."""

    model_config = _STRICT

    path: str | None = None
    """A folder or file of archetypes; null: the library; `anlage:plain-hhh`: plain rules."""
    only: tuple[str, ...] | None = None
    """Ids to keep; null for all."""
    library: tuple[str, ...] = ()
    """Ids of shipped archetypes to train together with those of `path`, such as the ones
    that guard what they risk."""
    shuffle_seed: int | None = Field(default=None, ge=0)
    """A control: deals the principles' texts out to places where they do not belong, never
    to one of the opposite failure mode."""
    guards: tuple[str, ...] | None = None
    """Failure modes whose principles are kept; null for all. Two runs with the same ones make
    pairs from the same prompts, whatever archetypes they have."""
    inverted: bool = False
    """A control: gives every principle the texts of one that guards against the opposite
    failure mode."""

    @model_validator(mode="after")
    def _one_deal(self) -> ArchetypeChoice:
        if self.inverted and self.shuffle_seed is not None:
            raise ValueError("`shuffle_seed` and `inverted` are two controls: give one")
        return self


class PromptChoice(BaseModel):
    """Which training prompts the pairs are made from."""

    model_config = _STRICT

    sets: tuple[str, ...] | None = None
    """Names of prompt sets; null for all."""
    limit: int | None = Field(default=None, ge=1)
    """Most twin pairs, so at most twice as many prompts, from the sets in turn; null for all."""
    folder: str | None = None
    """A folder with `train/` and `dev/`; null for the shipped sets."""


class CalibrationConfig(BaseModel):
    """How the critic is measured before it may label."""

    model_config = _STRICT

    limit: int | None = Field(default=80, ge=1)
    """Most labelled pairs, drawn alike from every failure mode and role; null for all.
    80 take a critic of 135M parameters about 50 s on two cores. A failure mode and role
    needs some 10 decided pairs, all of them right, before comparisons may label there (more
    where some are wrong), so raise it for a critic that should: null takes all there are."""


class EvaluationConfig(BaseModel):
    """What is measured before and after."""

    model_config = _STRICT

    split: Literal["dev", "test"] = "dev"
    """Which twins; `test` is for once per release."""
    sets: tuple[str, ...] | None = None
    """Names of prompt sets; null for all."""
    limit: int | None = Field(default=None, ge=1)
    """Most twin pairs, from the sets in turn; null for all."""
    max_tokens: int = Field(default=64, ge=8, le=2048)
    """Most new tokens per answer."""
    probe_limit: int | None = Field(default=16, ge=1)
    """Most labelled pairs of one failure mode and role that the probe scores; null for all."""
    failure_modes: tuple[str, ...] | None = None
    """Failure modes the probe scores; null for those the constitution guards against. Runs
    with different archetypes are only comparable with one list."""
    system: str = ""
    """System prompt before every prompt that has none, for all models; `constitution` writes
    the principles' statements into it."""


class RunConfig(BaseModel):
    """Everything `anlage run` needs. The same file gives the same run."""

    model_config = _STRICT

    name: str
    """Name of the run directory, `[A-Za-z0-9._-]`."""
    runs: str = "runs"
    """Folder that holds run directories and the call store they share."""
    model: str = EMBEDDED
    """The model to train: `smollm2-135m`, a local folder or a hub id."""
    policy_server: str | None = None
    """Addresses of servers that run `model`, `http://host:port/v1[,URL...]`: they write its
    answers, and load the adapter of each round; null: this process does. Training stays here.
    May change between two starts of a run."""
    critic: str | None = None
    """The model that critiques; null: the model is its own critic. Under `conditions` it is
    asked only where `conditions.room.critique` is teacher."""
    comparator: str | None = None
    """The model that says which of two answers is better; null: whoever criticises in round
    1. It is the one that is measured before its comparisons may label, and in later rounds it
    is what it was when it was measured."""
    teacher: str | None = None
    """The stronger model that builder `teacher` distils; null where there is none."""
    batch_size: int = Field(default=32, ge=1, le=1024)
    """Most requests a local model runs together."""
    archetypes: ArchetypeChoice = ArchetypeChoice()
    """Which archetypes."""
    prompts: PromptChoice = PromptChoice()
    """Which training prompts."""
    calibration: CalibrationConfig = CalibrationConfig()
    """How the critic is measured; drawn with the data seed."""
    pairs: PairSettings = PairSettings()
    """How pairs are built; `pairs.seed` is the data seed."""
    selection: PairSelection = PairSelection()
    """Which of the built pairs are trained on; asks no model anything."""
    training: TrainConfig = TrainConfig()
    """How the model is trained; `training.seed` is the training seed."""
    untrained: bool = False
    """A control: measures the model as it is, without pairs and training; with
    `evaluation.system`, the model as it is against the model under that prompt."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """What is measured."""
    rounds: int = Field(default=1, ge=1, le=20)
    """How often to draft, critique, revise and train, each time with the model of the round
    before."""
    layers: tuple[LayerConfig, ...] | None = Field(default=None, min_length=1)
    """Stretches of training, in order; null for one on all pairs. Each round runs them all."""
    conditions: Conditions | None = None
    """Moisture, cover and room: what the training is given and watched for. Null: nothing is
    watched, unless there are rounds or layers, which healthy conditions hold for."""
    chat: ChatSettings = ChatSettings()
    """How chat models are called; may change between two starts of a run, too."""
    budget: BudgetLimits = BudgetLimits()
    """What may be spent on model calls; may change between two starts of a run."""

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        # A name is joined to a path: no separators, no leading dot.
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", name):
            raise ValueError(
                f"{name!r} is no run name: use letters, digits, '.', '_' and '-', "
                "beginning with a letter or digit"
            )
        return name

    @field_validator("layers")
    @classmethod
    def _own_names(cls, layers: tuple[LayerConfig, ...] | None) -> tuple[LayerConfig, ...] | None:
        names = [layer.name for layer in layers or ()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"layer names occur twice: {', '.join(twice)}; give each its own")
        return layers

    @model_validator(mode="after")
    def _a_teacher_has_a_name(self) -> RunConfig:
        room = self.conditions.room if self.conditions else None
        if room and room.critique == "teacher" and self.critic is None:
            raise ValueError("`conditions.room.critique` is teacher, but no `critic` is named")
        return self

    def seeded(self, data: int | None, training: int | None) -> RunConfig:
        """The same config with other seeds.

        Args:
            data: Of pairs and of their selection; None leaves them.
            training: Of the training; None leaves it.
        """
        update: dict[str, object] = {}
        if data is not None:
            update["pairs"] = self.pairs.model_copy(update={"seed": data})
            update["selection"] = self.selection.model_copy(update={"seed": data})
        if training is not None:
            update["training"] = self.training.model_copy(update={"seed": training})
        return self.model_copy(update=update)


def load_config(path: str | Path) -> RunConfig:
    """Reads and checks a run config.

    Raises:
        ConfigurationError: Every problem of the file, with file and line.
    """
    return read_model(RunConfig, load_yaml(path))


def at_lines(problems: Sequence[Problem], source: str) -> list[Problem]:
    """The problems, each at the line of the key that it names first in backticks.

    Args:
        problems: Problems of a config; those that have a line, or another file, stay.
        source: The config's file; where it is none, all stay.
    """
    try:
        document = load_yaml(source)
    except ConfigurationError:
        return list(problems)
    return [
        replace(problem, line=_line_of(problem.message, document))
        if problem.file == source and not problem.line
        else problem
        for problem in problems
    ]


def _line_of(message: str, document: YamlDocument) -> int:
    for name in re.findall(r"`([\w.]+)`", message):
        parts = [int(part) - 1 if part.isdigit() else part for part in name.split(".")]
        if document.resolve(tuple(parts)) == tuple(parts):
            return document.line(tuple(parts))
    return 0


def resolved_text(config: RunConfig) -> str:
    """The config as YAML with every default written out; equal configs, equal bytes."""
    data = config.model_dump(mode="json")
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    return text
