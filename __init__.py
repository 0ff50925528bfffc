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

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .constitution.compiler import compile_constitution
    from .constitution.principle import Constitution, Principle
    from .critic.critic import Critic
    from .errors import AnlageError
    from .evaluation.evaluate import evaluate
    from .evaluation.result import Evaluation
    from .llm.models import load_model
    from .pipeline.config import RunConfig
    from .pipeline.run import Run, run
    from .preferences.build import build_pairs
    from .preferences.dataset import Pairs
    from .preferences.pair import Pair
    from .preferences.settings import PairSettings
    from .prompts.loader import load_prompts
    from .prompts.prompt import Prompt
    from .study.result import StudyResult
    from .study.study import Study
    from .trainer.config import TrainConfig
    from .trainer.result import TrainedModel
    from .trainer.train import train

_HOME = {
    "AnlageError": "errors",
    "Constitution": "constitution.principle",
    "Critic": "critic.critic",
    "Evaluation": "evaluation.result",
    "Pair": "preferences.pair",
    "PairSettings": "preferences.settings",
    "Pairs": "preferences.dataset",
    "Principle": "constitution.principle",
    "Prompt": "prompts.prompt",
    "Run": "pipeline.run",
    "RunConfig": "pipeline.config",
    "Study": "study.study",
    "StudyResult": "study.result",
    "TrainConfig": "trainer.config",
    "TrainedModel": "trainer.result",
    "build_pairs": "preferences.build",
    "compile_constitution": "constitution.compiler",
    "evaluate": "evaluation.evaluate",
    "load_model": "llm.models",
    "load_prompts": "prompts.loader",
    "run": "pipeline.run",
    "train": "trainer.train",
}

__all__ = [
    "AnlageError",
    "Constitution",
    "Critic",
    "Evaluation",
    "Pair",
    "PairSettings",
    "Pairs",
    "Principle",
    "Prompt",
    "Run",
    "RunConfig",
    "Study",
    "StudyResult",
    "TrainConfig",
    "TrainedModel",
    "build_pairs",
    "compile_constitution",
    "evaluate",
    "load_model",
    "load_prompts",
    "run",
    "train",
]


def __getattr__(name: str) -> object:
    """Imports a public name on first use, so that `import anlage` stays light."""
    if name == "__version__":
        return version("anlage")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
