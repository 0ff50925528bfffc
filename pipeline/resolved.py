"""What the conditions of a config come to: the settings that builder and trainer obey."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from ..preferences.pair import Pair
from ..preferences.settings import PairSettings
from ..prompts.similarity import content, near_duplicates, words
from ..trainer.config import TrainConfig
from .conditions import Conditions
from .config import RunConfig
from .inputs import training_prompts
from .layer import LayerConfig

FULL_RATE = 0.02
"""Rate of full fine-tuning as a share of the adapter's: every weight moves."""


def is_plain(config: RunConfig) -> bool:
    """One round, one layer and nothing watched: trained as one piece."""
    return config.rounds == 1 and config.layers is None and config.conditions is None


def conditions_of(config: RunConfig) -> Conditions:
    """The config's conditions, or healthy ones."""
    return config.conditions or Conditions()


def critic_of(config: RunConfig) -> str:
    """The model that critiques under the config's conditions."""
    if config.conditions is None or config.conditions.room.critique == "teacher":
        return config.critic_model
    return config.model


def pair_settings(config: RunConfig, number: int) -> PairSettings:
    """How the pairs of a 0-based round are built."""
    update: dict[str, object] = {}
    if number:
        update["round"] = config.pairs.round + number
    if config.conditions is not None:
        if not config.conditions.protection.filters:
            update |= {"min_words": 1, "max_words": 10_000, "max_failed_share": 1.0}
        if config.conditions.room.critique == "none":
            update["revision_context"] = "prompt"
    return config.pairs.model_copy(update=update)


def train_config(
    config: RunConfig, layer: LayerConfig | None = None, carry: float = 1.0
) -> TrainConfig:
    """How one layer is trained.

    Args:
        config: The run's.
        layer: The layer; None for a round without layers.
        carry: What earlier layers' monitors multiplied the rate by.
    """
    training = config.training
    update: dict[str, object] = {}
    rate = training.learning_rate
    if layer is not None:
        rate = layer.learning_rate or rate
        update["epochs"] = layer.epochs or training.epochs
    if config.conditions is not None:
        room = config.conditions.room
        method = room.method or training.method
        update["method"] = method
        full = method == "full" and training.method != "full"
        rate *= room.rate * (FULL_RATE if full else 1.0)
    update["learning_rate"] = rate * carry
    return training.model_copy(update=update)


def select_pairs(config: RunConfig, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that the data conditions leave, in their order.

    Where only a share of the prompts is to be used, their pairs are repeated, so that
    there are as many as before.
    """
    if config.conditions is None:
        return list(pairs)
    data = config.conditions.data
    chosen = [pair for pair in pairs if data.twins or pair.role == "at_risk"]
    if data.dedup:
        chosen = _without_repeats(chosen)
    if data.diversity < 1.0 and chosen:
        wanted = len(chosen)
        twin = {prompt.id: prompt.twin for prompt in training_prompts(config)}
        named = [min(p.prompt_id, twin.get(p.prompt_id, p.prompt_id)) for p in chosen]
        names = sorted(set(named))
        generator = random.Random(config.pairs.seed)  # noqa: S311
        kept = set(generator.sample(names, max(1, round(data.diversity * len(names)))))
        few = [pair for pair, name in zip(chosen, named, strict=True) if name in kept]
        chosen = (few * math.ceil(wanted / len(few)))[:wanted]
    return chosen


def _without_repeats(pairs: Sequence[Pair]) -> list[Pair]:
    """Leaves out pairs whose chosen answer nearly repeats an earlier one of the same role."""
    later: set[int] = set()
    for role in ("at_risk", "twin"):
        places = [index for index, pair in enumerate(pairs) if pair.role == role]
        texts = [content(words(pairs[index].chosen)) for index in places]
        later |= {places[second] for _, second, _ in near_duplicates(texts)}
    return [pair for index, pair in enumerate(pairs) if index not in later]
