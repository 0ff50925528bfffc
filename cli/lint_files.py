"""What kind of file it is, and its check: suites, gates, studies, configs, works, prompt sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ..archetypes.reference import FILE as REFERENCES
from ..errors import ConfigurationError, Problem


def _words(text: str) -> list[str]:
    return text.split()


_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "archetype": frozenset(
        _words(
            """
            id motive_system adaptive_problem principles openings exemplars shadow cues
            cooperation_domain moral_foundations evolved_mechanism ai_failure_modes evidence
            prosocial_expression counterweights ancestral_function evidence_level
            """
        )
    ),
    "suite": frozenset(
        _words(
            """
            title kind measures split_role licence citation files hub package fields where rows
            role id_pattern form question normalise cloze
            """
        )
    ),
    "gates": frozenset({"gates"}),
    "study": frozenset(
        _words(
            """
            question base arms set controls against comparisons seeds vary outcome secondary
            no_harm expect stop generate suites
            """
        )
    ),
    "config": frozenset(
        _words(
            """
            runs model critic comparator teacher archetypes prompts calibration pairs training
            selection evaluation layers rounds conditions chat budget untrained batch_size
            """
        )
    ),
    "references": frozenset(),
}
"""Kind -> keys at the start of a line that speak for it."""


def file_kind(path: Path) -> str:
    """The kind of a file, by its name and the keys it begins its lines with.

    Returns:
        `archetype`, also where nothing speaks for another kind; `suite`, `gates`, `study`,
        `config`, `references` or `prompts`.
    """
    if path.name == REFERENCES:
        return "references"
    if path.suffix == ".jsonl":
        return "prompts"
    if not path.is_file():
        return "archetype"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return "archetype"
    keys = set(re.findall(r"^([a-z_]+)\s*:", text, re.MULTILINE))
    speaks = {kind: len(keys & names) for kind, names in _KEYS.items()}
    best = max(speaks, key=lambda kind: speaks[kind])
    if speaks[best]:
        return best
    cited = re.findall(r"^  (?:status|cite)\s*:", text, re.MULTILINE)
    return "references" if len(cited) >= 2 else "archetype"


def lint_file(path: Path, kind: str) -> list[Problem]:
    """Every problem of a file that is no archetype."""
    try:
        return _CHECKS[kind](path)
    except ConfigurationError as error:
        return list(error.problems)


def _suite(path: Path) -> list[Problem]:
    from ..evaluation.suites.registry import suite_problems

    return suite_problems(path)


def _gates(path: Path) -> list[Problem]:
    from ..evaluation.suites.gates import load_gates

    load_gates(path)
    return []


def _study(path: Path) -> list[Problem]:
    from ..study.design import design

    design(path)
    return []


def _config(path: Path) -> list[Problem]:
    from ..pipeline.preflight import preflight
    from ..pipeline.resolved import Resolved

    return preflight(Resolved.load(path), str(path), environment="warning")


def _references(path: Path) -> list[Problem]:
    from ..archetypes.reference import check_references

    check_references(path)
    return []


def _prompts(path: Path) -> list[Problem]:
    from ..prompts.linter import lint_prompts
    from ..prompts.loader import shown

    if path.parent.name not in ("train", "dev", "test"):
        message = "a prompt set lies in a folder `train`, `dev` or `test`"
        fix = "move it there; `--labelled FOLDER` checks labelled answers"
        raise ConfigurationError.one("P011", path, message, fix)
    problems = lint_prompts(path.parent.parent)
    return [problem for problem in problems if problem.file == shown(path)]


_CHECKS: Final[Mapping[str, Callable[[Path], list[Problem]]]] = {
    "suite": _suite,
    "gates": _gates,
    "study": _study,
    "config": _config,
    "references": _references,
    "prompts": _prompts,
}
