"""Anlage: from archetypes to an evaluated language model.

    compile_constitution    archetype files -> principles
    load_prompts            our prompts, in matched twins
    build_pairs             draft -> critique -> revision -> preference pairs
    train                   pairs -> a trained model, against a pinned reference
    evaluate                before and after, with intervals
    run                     all of it, from one config file, resumable
    Study                   arms and seeds from one file, with the run as the unit

Nothing heavy is imported until one of them is used.
"""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .constitution.compiler import compile_constitution as compile_constitution
    from .constitution.principle import Constitution as Constitution
    from .constitution.principle import Principle as Principle
    from .critic.compare import ComparisonItem as ComparisonItem
    from .critic.critic import Critic as Critic
    from .critic.critique import CritiqueItem as CritiqueItem
    from .critic.reward import reward_dataset as reward_dataset
    from .errors import AnlageError as AnlageError
    from .errors import Problem as Problem
    from .evaluation.evaluate import evaluate as evaluate
    from .evaluation.judges.refusal_judge import RefusalJudge as RefusalJudge
    from .evaluation.result import Evaluation as Evaluation
    from .evaluation.suites.plan import Wish as Wish
    from .evaluation.suites.plan import load_wishes as load_wishes
    from .evaluation.suites.run import evaluate_suites as evaluate_suites
    from .llm.cached import CachedModel as CachedModel
    from .llm.chat.model import ChatModel as ChatModel
    from .llm.models import load_model as load_model
    from .llm.request import Model as Model
    from .llm.scripted import ScriptedModel as ScriptedModel
    from .pipeline.config import RunConfig as RunConfig
    from .pipeline.run import Run as Run
    from .pipeline.run import run as run
    from .preferences.build import build_pairs as build_pairs
    from .preferences.dataset import Pairs as Pairs
    from .preferences.pair import Pair as Pair
    from .preferences.settings import PairSettings as PairSettings
    from .prompts.labelled import shipped_pairs as shipped_pairs
    from .prompts.loader import load_prompts as load_prompts
    from .prompts.prompt import Prompt as Prompt
    from .store.store import Store as Store
    from .study.result import StudyResult as StudyResult
    from .study.study import Study as Study
    from .trainer.config import TrainConfig as TrainConfig
    from .trainer.result import TrainedModel as TrainedModel
    from .trainer.soft_dpo import SoftDPOTrainer as SoftDPOTrainer
    from .trainer.train import train as train


def _public_names() -> dict[str, str]:
    """Each public name and the module it lives in, read from the one list above."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


_HOME = _public_names()
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Imports a public name on first use, so that `import anlage` stays light."""
    if name == "__version__":
        return version("anlage")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
