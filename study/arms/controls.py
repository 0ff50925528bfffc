"""The control arms a study gets unless it says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..spec import DEFAULT_CONTROLS, ControlName, StudySpec
from .arm import Arm

_NOTES: dict[ControlName, str] = {
    "base": "the model as it is, not trained",
    "system_prompt": "not trained; the constitution as a system prompt",
    "plain_hhh": "trained from three plain rules (helpful, honest, harmless), no archetypes",
    "shuffled": "trained with every principle's text in a place where it does not belong",
    "no_critique": "trained on revisions written without the critique",
}


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
        }
    if name == "shuffled":
        return {"archetypes.shuffle_seed": 0}
    pairs = base["pairs"]
    if pairs["builder"] != "critique_revise" or pairs["revision_context"] == "prompt":
        return None  # there is no critique to take away
    return {"pairs.revision_context": "prompt"}


def missing_controls(spec: StudySpec, arms: list[Arm]) -> list[str]:
    """Controls of the default set that a study does without."""
    there = {arm.name for arm in arms}
    return [n for n in DEFAULT_CONTROLS if f"control-{n.replace('_', '-')}" not in there]
