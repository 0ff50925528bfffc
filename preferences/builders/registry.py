"""What a pair builder is, and where to find one by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Protocol

from ...constitution.principle import Constitution
from ...errors import ConfigurationError
from ...prompts.prompt import Prompt
from ..settings import PairSettings
from . import authored, best_of_n, contrast, critique_revise, teacher
from .attempt import BuildResult
from .roles import SILENT, Models, Progress


class Builder(Protocol):
    """Makes pairs from prompts. All builders take the same arguments."""

    async def __call__(
        self,
        prompts: Sequence[Prompt],
        constitution: Constitution,
        models: Models,
        settings: PairSettings,
        *,
        progress: Progress = SILENT,
    ) -> BuildResult:
        """Builds the pairs; every prompt ends in exactly one outcome.

        Raises:
            OutcomeError: Too many attempts made no pair.
        """


BUILDERS: dict[str, Builder] = {
    authored.NAME: authored.build,
    best_of_n.NAME: best_of_n.build,
    contrast.NAME: contrast.build,
    critique_revise.NAME: critique_revise.build,
    teacher.NAME: teacher.build,
}
"""Name -> builder. A new builder is one module with `NAME` and `build`, added here."""


def get_builder(name: str) -> Builder:
    """The builder of that name.

    Raises:
        ConfigurationError: There is none; the message suggests a near name.
    """
    if name in BUILDERS:
        return BUILDERS[name]
    near = difflib.get_close_matches(name, BUILDERS, n=1)
    known = ", ".join(BUILDERS)
    fix = f"did you mean {near[0]!r}?" if near else f"use one of: {known}"
    raise ConfigurationError.one("D010", "builder", f"no builder {name!r}", fix)
