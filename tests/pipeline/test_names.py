"""Every name in a config exists, or is refused with the nearest one that does."""

from __future__ import annotations

from typing import Any

import pytest
from anlage.errors import ConfigurationError
from anlage.pipeline.config import RunConfig
from anlage.pipeline.preflight import check_config


def config(**changes: Any) -> RunConfig:
    base = {"name": "x", "archetypes": {"only": ["guardian", "sage"], "library": ["ally"]}}
    return RunConfig.model_validate(base | changes)


@pytest.mark.parametrize(
    ("changes", "field", "fix"),
    [
        ({"selection": {"without": ["gaurdian"]}}, "selection.without", "`guardian`"),
        ({"selection": {"only": ["sage/no-such"]}}, "selection.only", "sage"),
        ({"selection": {"without": ["explorer"]}}, "selection.without", "use one of"),
        ({"evaluation": {"failure_modes": ["over_refusals"]}}, "failure_modes", "over_refusal"),
        ({"archetypes": {"guards": ["harm"]}}, "archetypes.guards", "harmful_compliance"),
        (
            {"layers": [{"name": "a", "kind": "sft", "data": "arcs", "archetypes": ["guardan"]}]},
            "layers.a.archetypes",
            "`guardian`",
        ),
        (
            {"layers": [{"name": "a", "kind": "dpo", "failure_modes": ["sycophany"]}]},
            "layers.a.failure_modes",
            "`sycophancy`",
        ),
    ],
)  # fmt: skip
def test_a_name_that_does_not_exist_is_refused(
    changes: dict[str, Any], field: str, fix: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_config(config(**changes), "run.yaml", ())
    text = str(caught.value)
    assert f"{field}` names the" in text
    assert ("A010" if "failure_modes" in field or "guards" in field else "R006") in text
    assert fix in text


def test_names_that_exist_pass() -> None:
    names = {"without": ["guardian", "sage/admit-not-knowing"][:1], "only": ["sage", "ally"]}
    check_config(
        config(selection=names, evaluation={"failure_modes": ["sycophancy"]}), "run.yaml", ()
    )
