"""Lists all arms of a study: the full one, those written, those made by rule, the controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ConfigurationError, Problem
from ...files.yaml_document import YamlDocument
from ..spec import FULL, StudySpec
from .arm import Arm, arm_name
from .controls import control_arms
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
