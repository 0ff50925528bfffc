"""Who does what in a build: the models by role, and where comparisons may set labels."""

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
class Cast:
    """The models of a build that not every builder needs.

    Attributes:
        comparator: Says which of two answers is better; None: the critic does.
        teacher: Writes the better side where the builder is `teacher`; None: nobody.
        allows: Where the comparator's calibration lets it set labels.
    """

    comparator: Model | None = None
    teacher: Model | None = None
    allows: Allows = nowhere


ALONE = Cast()
"""Only a policy and a critic; labels by construction."""


OnStage = Callable[[str, int], None]
"""Called with a stage's name and how many answers it works on."""


def announce(on_stage: OnStage | None, name: str, count: int) -> None:
    """Calls `on_stage` if there is one."""
    if on_stage is not None:
        on_stage(name, count)
