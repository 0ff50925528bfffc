"""An author's own archetypes, trained beside shipped ones that guard what they risk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anlage
import pytest
from anlage.archetypes.lint.objections import lint_archetypes
from anlage.archetypes.loader import LIBRARY
from anlage.constitution.compiler import compile_constitution
from anlage.errors import ArchetypeError
from anlage.pipeline.config import RunConfig
from anlage.pipeline.inputs import calibration_pairs, compile_for
from anlage.pipeline.resolved import Resolved

EXAMPLES = Path(anlage.__file__).parent / "examples" / "archetypes"


def config(**archetypes: Any) -> Resolved:
    return Resolved(RunConfig.model_validate({"name": "x", "archetypes": archetypes}))


def test_the_example_archetypes_are_clean() -> None:
    assert not [p for p in lint_archetypes(EXAMPLES) if p.severity != "info"]


def test_own_and_shipped_archetypes_are_compiled_together() -> None:
    own = compile_for(config(path=str(EXAMPLES)))
    both = compile_for(config(path=str(EXAMPLES), library=["explorer"]))
    explorer = compile_constitution(only=["explorer"])
    assert {p.id for p in both} == {p.id for p in own} | {p.id for p in explorer}
    assert both.sources == {**own.sources, **explorer.sources}
    # Twins of what the healer declines are measured only if a principle can judge them.
    alone = {(p.failure_mode, p.role) for p in calibration_pairs(config(path=str(EXAMPLES)))}
    more = calibration_pairs(config(path=str(EXAMPLES), library=["explorer"]))
    together = {(p.failure_mode, p.role) for p in more}
    assert ("harmful_compliance", "twin") not in alone
    assert ("harmful_compliance", "twin") in together


def test_one_archetype_from_two_places_is_refused() -> None:
    with pytest.raises(ArchetypeError, match=r"A024.*guardian"):
        compile_for(config(path=str(LIBRARY / "guardian.yaml"), library=["guardian"]))


def test_an_unknown_shipped_archetype_gets_a_suggestion() -> None:
    with pytest.raises(ArchetypeError, match="did you mean `explorer`"):
        compile_for(config(path=str(EXAMPLES), library=["explorr"]))
