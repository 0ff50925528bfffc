"""Resolves a config into the settings that a run obeys.

`conditions`, `layers`, rounds and the named models all bear on the same few settings: what a
pair builder is told, how a layer is trained, which model does what. Everything that works on a
run receives a `Resolved`, never the config, so that nothing can obey a setting that something
else has overruled.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ConfigurationError, Problem
from ..llm.budget import BudgetLimits
from ..llm.chat.settings import ChatSettings
from ..preferences.pair import Pair
from ..preferences.selection import PairSelection
from ..preferences.settings import PairSettings
from ..prompts.similarity import content, near_duplicates, words
from ..trainer.conditions.settings import MonitorSettings
from ..trainer.config import Reference, TrainConfig
from .conditions import Conditions
from .config import (
    ArchetypeChoice,
    EvaluationConfig,
    PromptChoice,
    RunConfig,
    at_lines,
    load_config,
    resolved_text,
)
from .layer import LayerConfig

FULL_RATE = 0.02
"""Rate of full fine-tuning as a share of the adapter's: every weight moves."""


@dataclass(frozen=True, slots=True)
class RoleModel:
    """A model as it is at one moment of the run.

    Attributes:
        spec: How it is named; equal to the run's `model` for the one that is trained.
        rounds: Rounds of training that it has gone through; 0 for a model as it is.
    """

    spec: str
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class Roles:
    """Which model does what while the pairs of one round are built.

    Attributes:
        writer: Drafts and revises.
        critic: Says what is wrong with a draft.
        comparator: Says which of two answers is better; the same model in every round.
        teacher: Writes the better answer for builder `teacher`; None where none is named.
    """

    writer: RoleModel
    critic: RoleModel
    comparator: RoleModel
    teacher: RoleModel | None


class Resolved:
    """The settings that a run obeys. The config itself stays inside."""

    __slots__ = ("_conditions", "_config")

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._conditions = config.conditions or Conditions()

    @classmethod
    def load(cls, path: str | Path) -> Resolved:
        """Reads a config file.

        Raises:
            ConfigurationError: Every problem of the file, with file and line.
        """
        return cls(load_config(path))

    def check(self, source: str) -> None:
        """Checks what the file alone cannot show: named files, folders, prices.

        Args:
            source: Where the config came from, for messages.

        Raises:
            ConfigurationError: All problems at once.
        """
        from .preflight import check_config  # it asks what has been resolved

        check_config(self._config, source, self.models)
        if self.policy_server and not self.untrained and self.training().leaves == "model":
            message = "`policy_server` loads adapters, but `training.method` is full"
            fix = "use method lora, or leave `policy_server` out"
            problem = Problem("R011", "error", source, 0, message, fix)
            raise ConfigurationError(at_lines([problem], source))

    # --- what the run is

    @property
    def name(self) -> str:
        """Name of the run."""
        return self._config.name

    @property
    def folder(self) -> Path:
        """The run directory."""
        return Path(self._config.runs) / self._config.name

    @property
    def text(self) -> str:
        """The config as YAML with every default written out; equal configs, equal bytes."""
        return resolved_text(self._config)

    @property
    def archetypes(self) -> ArchetypeChoice:
        """Which archetypes are compiled."""
        return self._config.archetypes

    @property
    def prompts(self) -> PromptChoice:
        """Which prompts the pairs are made from."""
        return self._config.prompts

    @property
    def calibration_limit(self) -> int | None:
        """Most labelled pairs that the comparator is measured on; None for all."""
        return self._config.calibration.limit

    @property
    def selection(self) -> PairSelection:
        """Which of the built pairs are trained on."""
        return self._config.selection

    @property
    def evaluation(self) -> EvaluationConfig:
        """What is measured before and after."""
        return self._config.evaluation

    @property
    def untrained(self) -> bool:
        """Whether the model is only measured, as it is."""
        return self._config.untrained

    @property
    def rounds(self) -> int:
        """How often pairs are built and trained on, 1 or more."""
        return self._config.rounds

    @property
    def layers(self) -> tuple[LayerConfig, ...]:
        """The layers of every round, in order; () where a round is trained as one piece."""
        return self._config.layers or ()

    @property
    def is_plain(self) -> bool:
        """One round, one layer and nothing watched: trained as one piece."""
        config = self._config
        return config.rounds == 1 and config.layers is None and config.conditions is None

    @property
    def data_seed(self) -> int:
        """Seeds what pairs are built and what the comparator is measured on."""
        return self._config.pairs.seed

    @property
    def training_seed(self) -> int:
        """Seeds the training."""
        return self._config.training.seed

    def renamed(self, name: str) -> Resolved:
        """The same run under another name."""
        return Resolved(self._config.model_copy(update={"name": name}))

    def on_split(self, split: Literal["dev", "test"]) -> Resolved:
        """The same run, measured on the twins of another split."""
        evaluation = self._config.evaluation.model_copy(update={"split": split})
        return Resolved(self._config.model_copy(update={"evaluation": evaluation}))

    # --- the models, and what they may cost

    @property
    def model(self) -> str:
        """The model that is trained."""
        return self._config.model

    @property
    def policy_server(self) -> str | None:
        """Addresses of the servers that run it; None where it runs here."""
        return self._config.policy_server

    @property
    def named(self) -> dict[str, str]:
        """Field of the config -> the model it names, also one that is not asked."""
        config = self._config
        fields = {"model": config.model, "critic": config.critic}
        fields |= {"comparator": config.comparator, "teacher": config.teacher}
        return {field: name for field, name in fields.items() if name is not None}

    @property
    def calibrated(self) -> str:
        """The model whose comparisons are measured before they may label: the comparator's."""
        return self.roles(0).comparator.spec

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that the run asks, each once: policy, critic, comparator, teacher."""
        roles = self.roles(0)
        asked = [roles.writer.spec, roles.critic.spec, roles.comparator.spec]
        return tuple(dict.fromkeys([*asked, roles.teacher.spec] if roles.teacher else asked))

    @property
    def batch_size(self) -> int:
        """Most requests a local model runs together."""
        return self._config.batch_size

    @property
    def chat(self) -> ChatSettings:
        """How chat models are called."""
        return self._config.chat

    @property
    def budget(self) -> BudgetLimits:
        """What may be spent on model calls."""
        return self._config.budget

    def roles(self, number: int) -> Roles:
        """Which model does what while the pairs of a 0-based round are built.

        The model that is trained writes as it is by then. Where it is its own critic, it
        criticises as it is by then, too; every other model stays what it was. Labels belong to
        the model that was calibrated, so the comparator of every round is the one of round 1,
        before any training, also where the model compares its own answers.
        """
        config = self._config
        writer = RoleModel(config.model, number)
        own = self._conditions.room.critique != "teacher" and config.conditions is not None
        spec = config.model if own or config.critic is None else config.critic
        critic = writer if spec == config.model else RoleModel(spec)
        comparator = RoleModel(config.comparator or spec)
        teacher = RoleModel(config.teacher) if config.teacher else None
        return Roles(writer, critic, comparator, teacher)

    # --- pairs

    @property
    def refresh(self) -> bool:
        """Whether later rounds draft anew; else they use the pairs of round 1 again."""
        return self._conditions.data.refresh

    def pairs(self, number: int) -> PairSettings:
        """How the pairs of a 0-based round are built."""
        config = self._config
        update: dict[str, object] = {}
        if number:
            update["round"] = config.pairs.round + number
        if config.conditions is not None:
            if not config.conditions.protection.filters:
                update |= {"min_words": 1, "max_words": 10_000, "max_failed_share": 1.0}
            if config.conditions.room.critique == "none":
                update["revision_context"] = "prompt"
        return config.pairs.model_copy(update=update)

    def select_pairs(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs that the data conditions leave, in their order.

        Where only a share of the prompts is to be used, their pairs are repeated, so that
        there are as many as before.
        """
        from .inputs import training_prompts  # it reads settings from here

        if self._config.conditions is None:
            return list(pairs)
        data = self._conditions.data
        chosen = [pair for pair in pairs if data.twins or pair.role == "at_risk"]
        if data.dedup:
            chosen = _without_repeats(chosen)
        if data.diversity < 1.0 and chosen:
            wanted = len(chosen)
            twin = {prompt.id: prompt.twin for prompt in training_prompts(self)}
            named = [min(p.prompt_id, twin.get(p.prompt_id, p.prompt_id)) for p in chosen]
            names = sorted(set(named))
            generator = random.Random(self.data_seed)  # noqa: S311
            kept = set(generator.sample(names, max(1, round(data.diversity * len(names)))))
            few = [pair for pair, name in zip(chosen, named, strict=True) if name in kept]
            chosen = (few * math.ceil(wanted / len(few)))[:wanted]
        return chosen

    # --- training

    def training(self, layer: LayerConfig | None = None, carry: float = 1.0) -> TrainConfig:
        """How one layer is trained.

        Args:
            layer: The layer; None for a round without layers.
            carry: What earlier layers' monitors multiplied the rate by.
        """
        training = self._config.training
        update: dict[str, object] = {}
        rate = training.learning_rate
        if layer is not None:
            rate = layer.learning_rate or rate
            update["epochs"] = layer.epochs or training.epochs
        if self._config.conditions is not None:
            room = self._conditions.room
            method = room.method or training.method
            update["method"] = method
            full = method == "full" and training.method != "full"
            rate *= room.rate * (FULL_RATE if full else 1.0)
        update["learning_rate"] = rate * carry
        return training.model_copy(update=update)

    def training_identity(self, layer: LayerConfig | None) -> object:
        """Plain data that is equal for equal trainings, as the manifest has always kept it."""
        training: dict[str, object] = self._config.training.model_dump(mode="json")
        chosen = self.selection
        if not chosen.is_all:
            selection = chosen.model_dump(mode="json")
            if chosen.trust == "measured":
                del selection["trust"]  # as it was before there was a choice
            training = {"training": training, "selection": selection}
        if self.is_plain:
            return training if chosen.is_all else list(training.values())
        named = layer.model_dump(mode="json") if layer else None
        identity = [training, named, self._conditions.model_dump(mode="json")]
        # A share of the prompts is drawn with the data seed; see `select_pairs`.
        return identity if self._conditions.data.diversity == 1.0 else [*identity, self.data_seed]

    @property
    def reference(self) -> Reference:
        """What each round and layer after the first is held to."""
        return self._conditions.protection.reference

    @property
    def rests(self) -> bool:
        """Whether the model is checked within and between layers."""
        return self._conditions.room.rest

    @property
    def watched(self) -> MonitorSettings | None:
        """The monitors of every layer; None where nothing is watched."""
        return None if self.is_plain or not self.rests else self._conditions.watched


def _without_repeats(pairs: Sequence[Pair]) -> list[Pair]:
    """Leaves out pairs whose chosen answer nearly repeats an earlier one of the same role."""
    later: set[int] = set()
    for role in ("at_risk", "twin"):
        places = [index for index, pair in enumerate(pairs) if pair.role == role]
        texts = [content(words(pairs[index].chosen)) for index in places]
        later |= {places[second] for _, second, _ in near_duplicates(texts)}
    return [pair for index, pair in enumerate(pairs) if index not in later]
