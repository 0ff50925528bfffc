"""Checks a study's arms, seeds, controls and outcome: errors, and warnings to be reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...errors import Problem
from ...files.validation import suggestion
from ...files.yaml_document import YamlDocument
from ...pipeline.config import RunConfig
from ..spec import StudySpec
from .arm import Arm, contradictions
from .controls import missing_controls

CLAIM_SEEDS = 5


def arm_problems(
    spec: StudySpec,
    arms: Sequence[Arm],
    configs: Mapping[str, RunConfig],
    document: YamlDocument,
) -> list[Problem]:
    """Errors that stop a study, and warnings that its report must begin with.

    Args:
        spec: The study.
        arms: Its arms.
        configs: Arm -> its config, where it validates.
        document: The study's file.
    """
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
