"""Lists all arms of a study (full, written, made by rule, controls) and checks them.

A control differs from the base config in what its name says, and in nothing else: it is
trained on the same prompts, and what is taken away is neither asked for nor looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import ConfigurationError, Problem
from ...files.validation import suggestion
from ...files.yaml_document import YamlDocument
from ...pipeline.config import RunConfig
from ...pipeline.inputs import compile_for
from ...pipeline.resolved import Resolved
from ..spec import DEFAULT_CONTROLS, FULL, ControlName, StudySpec
from .arm import Arm, apply_overrides, arm_name, contradictions, guarded_modes
from .generators import GeneratorError, generate


def arms_of(spec: StudySpec, base: Mapping[str, Any], document: YamlDocument) -> list[Arm]:
    """The arms in the order of the report.

    Raises:
        ConfigurationError: A name that cannot be one, a rule that cannot be applied,
            two arms of one name.
    """
    problems: list[Problem] = []
    arms = _written(spec, document, problems)
    for index, generator in enumerate(spec.generate):
        try:
            arms += generate(generator, base)
        except GeneratorError as error:
            line = document.line(("generate", index))
            problems.append(Problem("U004", "error", str(document.path), line, str(error)))
    arms += control_arms(spec, base)
    names = [arm.name for arm in arms]
    for name in sorted({name for name in names if names.count(name) > 1}):
        fix = "give one of them another name, or leave one rule out"
        line = document.line(("arms", name))
        message = f"there are {names.count(name)} arms named `{name}`"
        problems.append(Problem("U005", "error", str(document.path), line, message, fix))
    if problems:
        raise ConfigurationError(problems)
    return arms


def _written(spec: StudySpec, document: YamlDocument, problems: list[Problem]) -> list[Arm]:
    arms = []
    if FULL not in spec.arms and spec.against not in spec.arms:
        arms.append(Arm(FULL, {}, "written", "the base config, nothing changed"))
    for name, written in spec.arms.items():
        overrides = dict(written or {})
        offset = overrides.pop("seed_offset", 0)
        line = document.line(("arms", name))
        if name != arm_name(name):
            fix = f"write it `{arm_name(name)}`"
            message = f"`{name}` is no arm name: a-z, 0-9, '-' and '.'"
            problems.append(Problem("U006", "error", str(document.path), line, message, fix))
        if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
            message = f"arm `{name}`: `seed_offset` is {offset!r}"
            fix = "give a whole number from 0 on"
            problems.append(Problem("U006", "error", str(document.path), line, message, fix))
            offset = 0
        arms.append(Arm(name, overrides, "written", "", offset))
    return arms


CLAIM_SEEDS = 5


def arm_problems(
    spec: StudySpec, arms: Sequence[Arm], configs: Mapping[str, RunConfig], document: YamlDocument
) -> list[Problem]:
    """Errors that stop a study, and warnings that its report must begin with."""
    return [
        *_contradicting(arms, document),
        *_unknown(spec, arms, document),
        *_equal(arms, configs, document),
        *_weak(spec, arms, document),
    ]


def _contradicting(arms: Sequence[Arm], document: YamlDocument) -> Iterator[Problem]:
    for arm in arms:
        for outer, inner in contradictions(arm.overrides):
            line = document.line(("arms", arm.name))
            message = f"arm `{arm.name}` sets `{outer}` and `{inner}`, which contradict each other"
            fix = "set the section, or fields of it, not both"
            yield Problem("U007", "error", str(document.path), line, message, fix)


def _unknown(spec: StudySpec, arms: Sequence[Arm], document: YamlDocument) -> Iterator[Problem]:
    names = [arm.name for arm in arms]
    wanted = [("against", spec.against), *(("comparisons", n) for n in spec.comparisons or ())]
    for field, name in wanted:
        if name not in names:
            line = document.line((field,))
            message = f"`{field}` names the arm `{name}`, which there is not"
            yield Problem(
                "U008", "error", str(document.path), line, message, suggestion(name, names)
            )
    if len(arms) < 2:
        fix = "add `arms`, a rule under `generate`, or controls"
        message = "a study compares arms, and there is only one"
        yield Problem("U008", "error", str(document.path), 0, message, fix)


def _equal(
    arms: Sequence[Arm], configs: Mapping[str, RunConfig], document: YamlDocument
) -> Iterator[Problem]:
    """Arms that would be the same runs: their difference is zero by construction."""
    seen: dict[str, str] = {}
    for arm in arms:
        if arm.name not in configs:
            continue
        content = f"{configs[arm.name].model_dump_json()} {arm.seed_offset}"
        if content in seen:
            line = document.line(("arms", arm.name))
            message = f"arms `{seen[content]}` and `{arm.name}` are the same config"
            fix = "leave one out, or give one a `seed_offset` to measure what chance does"
            yield Problem("U009", "error", str(document.path), line, message, fix)
        seen.setdefault(content, arm.name)


def _weak(spec: StudySpec, arms: Sequence[Arm], document: YamlDocument) -> Iterator[Problem]:
    def warning(message: str, *, field: str) -> Problem:
        line = document.line((field,))
        return Problem("U010", "warning", str(document.path), line, message)

    if not any(arm.is_control for arm in arms):
        text = "This study has no control arm: what it shows may be the effect of any training."
        yield warning(text, field="controls")
    elif missing := missing_controls(spec, list(arms)):
        names = ", ".join(name.replace("_", " ") for name in missing)
        yield warning(f"Controls this study does without: {names}.", field="controls")
    if len(spec.seeds) == 1:
        text = "One seed: no difference below can be told from chance, and none has an interval."
        yield warning(text, field="seeds")
    elif len(spec.seeds) < CLAIM_SEEDS:
        text = (
            f"Provisional: {len(spec.seeds)} seeds, and a claim needs {CLAIM_SEEDS}. "
            "Intervals from so few runs are wide and their coverage leans on normality."
        )
        yield warning(text, field="seeds")
    if spec.outcome is None:
        text = "No primary outcome was declared: everything below is exploratory."
        yield warning(text, field="outcome")


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
    """The control arms; those that would change nothing in this study are left out."""
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
