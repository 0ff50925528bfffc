"""Which model does what, and that nothing of the config itself can be reached."""

from __future__ import annotations

from typing import Any

import pytest
from anlage.pipeline.conditions import Conditions
from anlage.pipeline.config import RunConfig
from anlage.pipeline.resolved import Resolved, RoleModel


def resolved(**changes: Any) -> Resolved:
    return Resolved(RunConfig.model_validate({"name": "x", "model": "policy", **changes}))


NOW = RoleModel("policy", 2)
"""The policy as the third round finds it."""
BEFORE = RoleModel("policy")
"""The policy before any training: what is calibrated where it compares."""


@pytest.mark.parametrize(
    ("changes", "critic", "comparator"),
    [
        ({}, NOW, BEFORE),
        ({"critic": "big"}, RoleModel("big"), RoleModel("big")),
        ({"comparator": "other"}, NOW, RoleModel("other")),
        ({"critic": "big", "comparator": "other"}, RoleModel("big"), RoleModel("other")),
        ({"critic": "big", "comparator": "policy"}, RoleModel("big"), BEFORE),
        ({"conditions": "healthy"}, NOW, BEFORE),
        ({"critic": "big", "conditions": "healthy"}, NOW, BEFORE),
        ({"critic": "big", "conditions": "deprived"}, NOW, BEFORE),
        (
            {"critic": "big", "conditions": {"room": {"critique": "teacher"}}},
            RoleModel("big"),
            RoleModel("big"),
        ),
        (
            {"critic": "big", "comparator": "other", "conditions": "healthy"},
            NOW,
            RoleModel("other"),
        ),
    ],
)
def test_the_roles_of_a_round(
    changes: dict[str, Any], critic: RoleModel, comparator: RoleModel
) -> None:
    run = resolved(rounds=3, **changes)
    roles = run.roles(2)
    assert (roles.writer, roles.critic, roles.comparator) == (NOW, critic, comparator)
    assert roles.teacher is None
    assert {run.roles(number).comparator for number in range(3)} == {comparator}
    assert run.calibrated == comparator.spec


def test_only_models_with_a_role_are_asked() -> None:
    """So none but these needs a price."""
    assert resolved(critic="big", conditions="healthy").models == ("policy",)
    assert resolved(critic="big", comparator="other").models == ("policy", "big", "other")


def test_a_teacher_stays_what_it_was() -> None:
    assert resolved(teacher="old", rounds=2).roles(1).teacher == RoleModel("old")


def test_the_config_cannot_be_reached() -> None:
    """No public attribute is the config, its conditions, or settings they may overrule."""
    config = RunConfig.model_validate({"name": "x", "conditions": "deprived", "critic": "big"})
    found = Resolved(config)
    raw = (RunConfig, Conditions)
    for name in dir(found):
        if not name.startswith("_"):
            value = getattr(found, name)
            assert not isinstance(value, raw), name
            assert value not in (config.pairs, config.training), name
    assert found.pairs(0) != config.pairs
    assert found.training() != config.training
