"""Who does what in a build: the models by role, and who is told how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...llm.request import Model

Allows = Callable[[str, str], bool]
"""(failure mode of the twin pair, role) -> may a comparison set the label there?"""


def nowhere(failure_mode: str, role: str) -> bool:
    """No comparison may label: the comparator was not measured."""
    return False


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a build, by what they do.

    Attributes:
        policy: Writes the answers that are trained on.
        critic: Writes critiques; often the policy itself.
        comparator: Says which of two answers is better; often the critic.
        teacher: Writes the better side where the builder is `teacher`; None: nobody.
        allows: Where the comparator's calibration lets it set labels.
    """

    policy: Model
    critic: Model
    comparator: Model
    teacher: Model | None = None
    allows: Allows = nowhere


@dataclass(frozen=True, slots=True)
class Progress:
    """Who is told how far a build is.

    Attributes:
        on_stage: Called with a stage's name and its number of answers before it runs.
        on_attempts: Called with how many attempts have ended and how many there are, where
            stages overlap.
    """

    on_stage: Callable[[str, int], None] | None = None
    on_attempts: Callable[[int, int], None] | None = None

    def stage(self, name: str, count: int) -> None:
        """Says that a stage begins."""
        if self.on_stage is not None:
            self.on_stage(name, count)

    def attempts(self, ended: int, total: int) -> None:
        """Says how many attempts have ended."""
        if self.on_attempts is not None:
            self.on_attempts(ended, total)


SILENT = Progress()
"""Nobody is told."""
