"""A critic as one object: a model that applies a constitution to answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..constitution.principle import Principle
from ..llm.models import AnyModel, as_model
from ..llm.run_sync import run_sync
from ..prompts.labelled import LabelledPair
from .calibrate import Calibration, calibrate
from .compare import AnswerComparison, ComparisonItem, compare
from .critique import Critique, CritiqueItem, critique
from .reward import PrincipleReward


class Critic:
    """Critiques, compares, is measured, and rewards; for scripts and notebooks.

    Args:
        model: A model, its name, or a LangChain chat model made in Python.

    Raises:
        ModelNotFoundError: No model of that name.

    Example:
        >>> import anlage
        >>> critic = anlage.Critic("smollm2-135m")  # doctest: +SKIP
        >>> reward = critic.reward_function(anlage.compile_constitution())  # doctest: +SKIP
    """

    def __init__(self, model: AnyModel) -> None:
        self.model = as_model(model)

    def critique(self, items: Sequence[CritiqueItem]) -> list[Critique]:
        """One critique per answer, in order: reason, severity, quoted evidence."""
        return run_sync(critique(self.model, items))

    def compare(self, items: Sequence[ComparisonItem], *, votes: int = 1) -> list[AnswerComparison]:
        """One comparison per two answers, in order, each asked in both orders."""
        return run_sync(compare(self.model, items, votes=votes))

    def calibrate(
        self, labelled: Sequence[LabelledPair], constitution: Iterable[Principle], *, seed: int = 0
    ) -> Calibration:
        """Accuracy per failure mode and role on answer pairs whose better half is known.

        Raises:
            OutcomeError: Too many calls failed.
        """
        return run_sync(calibrate(self.model, labelled, constitution, seed=seed))

    def reward_function(
        self, constitution: Iterable[Principle], *, seed: int = 0
    ) -> PrincipleReward:
        """A reward function for TRL's `GRPOTrainer` and `RLOOTrainer`.

        Args:
            constitution: The principles answers are rewarded by.
            seed: Of the draw of a principle per prompt.

        Raises:
            ConfigurationError: There are no principles.
        """
        return PrincipleReward(self.model, tuple(constitution), seed=seed)
