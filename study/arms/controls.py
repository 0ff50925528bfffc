"""The control arms a study gets unless it says otherwise.

A control differs from the base config in what its name says, and in nothing else: it is
trained on the same prompts, and what is taken away is neither asked for nor looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ConfigurationError
from ...pipeline.config import RunConfig
from ...pipeline.inputs import compile_for
from ...pipeline.resolved import Resolved
from ..spec import DEFAULT_CONTROLS, ControlName, StudySpec
from .arm import Arm, apply_overrides
from .base_constitution import guarded_modes

_NOTES: dict[ControlName, str] = {
    "base": "the model as it is, not trained",
    "system_prompt": "not trained; the constitution as a system prompt",
    "plain_hhh": "trained from three plain rules (helpful, honest, harmless) on the same prompts",
    "shuffled": "trained with every principle's text at an unrelated failure mode, dealt anew "
    "per seed",
    "inverted": "trained with every principle's text at the opposite failure mode",
    "no_critique": "trained on revisions that saw the rule, but no critique; none was asked for",
    "no_rule": "trained on revisions that saw the critique, but not the rule",
    "no_critique_no_rule": "trained on revisions that saw neither critique nor rule",
}
_SEES: dict[str, str] = {
    "no_critique": "rule",
    "no_rule": "critique_alone",
    "no_critique_no_rule": "prompt",
}
"""Control -> what its revisions see."""


def chosen_controls(spec: StudySpec) -> tuple[ControlName, ...]:
    """Names of the control arms a study asks for."""
    if isinstance(spec.controls, str):
        return DEFAULT_CONTROLS if spec.controls == "default" else ()
    return spec.controls


def control_arms(spec: StudySpec, base: Mapping[str, Any]) -> list[Arm]:
    """The control arms; those that would change nothing in this study are left out.

    Args:
        spec: The study.
        base: Its resolved base config as plain data.
    """
    arms = [
        Arm(f"control-{name.replace('_', '-')}", overrides, "control", _NOTES[name])
        for name in chosen_controls(spec)
        if (overrides := _overrides(name, base)) is not None
    ]
    return arms


def _overrides(name: ControlName, base: Mapping[str, Any]) -> dict[str, Any] | None:
    if name == "base":
        return {"untrained": True, "evaluation.system": ""}
    if name == "system_prompt":
        return {"untrained": True, "evaluation.system": "constitution"}
    if name == "plain_hhh":
        return {
            "archetypes.path": "anlage:plain-hhh",
            "archetypes.only": None,
            "archetypes.library": [],
            "archetypes.guards": guarded_modes(base),
        }
    if name in ("shuffled", "inverted"):
        deals: dict[str, Any] = {"archetypes.shuffle_seed": 0, "archetypes.inverted": False}
        if name == "inverted":
            deals = {"archetypes.shuffle_seed": None, "archetypes.inverted": True}
        return deals if _can_be_dealt(base, deals) else None
    pairs, sees = base["pairs"], _SEES[name]
    if pairs["builder"] != "critique_revise" or pairs["revision_context"] in (sees, "prompt"):
        return None  # there is nothing (more) to take away
    return {"pairs.revision_context": sees}


def _can_be_dealt(base: Mapping[str, Any], deals: Mapping[str, Any]) -> bool:
    """Whether the base config's principles allow this deal at all."""
    try:
        compile_for(Resolved(RunConfig.model_validate(apply_overrides(base, deals))))
    except ConfigurationError:
        return False
    return True


def missing_controls(spec: StudySpec, arms: list[Arm]) -> list[str]:
    """Controls of the default set, and those asked for, that a study does without."""
    there = {arm.name for arm in arms}
    wanted = dict.fromkeys((*DEFAULT_CONTROLS, *chosen_controls(spec)))
    return [n for n in wanted if f"control-{n.replace('_', '-')}" not in there]
