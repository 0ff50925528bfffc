"""Lints archetypes, prompt sets and labelled pairs together, and explains problem codes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ..archetypes import vocabulary
from ..archetypes.checks import without_followers
from ..archetypes.lint.objections import objections
from ..archetypes.loader import LIBRARY, Reading, read_archetypes
from ..archetypes.vocabulary import load_cues, load_failure_modes
from ..errors import ConfigurationError, Problem
from ..evaluation.checks.verify import lint_checks
from ..files.yaml_file import load_yaml
from ..prompts.labelled import LocatedAnswers, read_labelled
from ..prompts.labelled_linter import check_held_out, labelled_texts, lint_labelled
from ..prompts.linter import check_names, lint_rows, read_sets
from ..prompts.loader import SETS, Located
from ..prompts.public_suite import check_leakage, read_suite
from ..prompts.similarity import Text

CODES = Path(__file__).with_name("problem_codes.yaml")
"""What each problem code means: the table behind `anlage lint --explain`."""


@dataclass(slots=True)
class _Read:
    """What was read, each part only if it was asked for."""

    readings: list[Reading] = field(default_factory=list)
    prompts: list[Located] = field(default_factory=list)
    labelled: list[LocatedAnswers] = field(default_factory=list)


def lint_library(
    archetypes: Path | None = None,
    *,
    prompts: Path | None = None,
    labelled: Path | None = None,
    against: Sequence[Path] = (),
) -> list[Problem]:
    """Every problem of archetype files, prompt sets and labelled pairs.

    Without arguments the whole shipped library is checked, and also that every
    failure mode of the vocabulary has a principle, prompts and labelled pairs.
    With `archetypes` only that file or folder is, and prompts and labelled pairs
    only where they are given, too.

    Args:
        archetypes: Archetype file or folder; the shipped library if None.
        prompts: Folder of prompt sets; the shipped ones if None.
        labelled: Folder of labelled pairs; the shipped ones if None.
        against: Folders or files of public suites that nothing of ours may repeat.

    Returns:
        Problems by file, line and code; empty where there is nothing to say.
    """
    whole = archetypes is None
    read = _Read()
    read.readings, problems = read_archetypes(archetypes or LIBRARY)
    problems += objections(read.readings)
    if whole or prompts is not None:
        read.prompts, found = read_sets(prompts)
        problems += [*found, *lint_rows(read.prompts), *check_names(prompts or SETS)]
        problems += lint_checks(read.prompts)
        problems += check_held_out(exemplar_texts(read.readings), read.prompts)
        problems += _unused_cues(read)
    if whole or labelled is not None:
        read.labelled, found = read_labelled(labelled)
        problems += [*found, *lint_labelled(read.labelled, read.prompts)]
    if whole and prompts is None and labelled is None:
        problems += [*_unused_vocabulary(read), *_unguarded_modes(read)]
    for suite in against:
        texts, found = read_suite(suite)
        problems += [*found, *check_leakage(_texts(read), texts)]
    problems = without_followers(problems)
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.code))


def exemplar_texts(readings: Sequence[Reading]) -> list[Text]:
    """The prompts of all exemplars and their lines."""
    return [
        Text(
            exemplar.prompt,
            str(reading.path),
            reading.document.line(("exemplars", index, "prompt")),
        )
        for reading in readings
        if reading.archetype and reading.document
        for index, exemplar in enumerate(reading.archetype.exemplars)
    ]


def _texts(read: _Read) -> list[Text]:
    prompts = [
        Text("\n".join(message.content for message in row.prompt.messages), row.file, row.line)
        for row in read.prompts
    ]
    return [*prompts, *labelled_texts(read.labelled), *exemplar_texts(read.readings)]


def _unused_cues(read: _Read) -> Iterator[Problem]:
    used = {name for row in read.prompts for name in row.prompt.cues}
    for reading in read.readings:
        if reading.archetype is None or reading.document is None:
            continue
        for index, name in enumerate(reading.archetype.cues):
            if name not in used:
                line = reading.document.line(("cues", index))
                message = f"no prompt has the cue `{name}`"
                fix = "write prompts that show it, or remove it from the archetype"
                yield Problem("P040", "warning", str(reading.path), line, message, fix)


def _unused_vocabulary(read: _Read) -> Iterator[Problem]:
    used = {name for row in read.prompts for name in row.prompt.cues}
    for reading in read.readings:
        used |= set(reading.archetype.cues) if reading.archetype else set()
    document = load_yaml(vocabulary.CUES)
    for name in load_cues():
        if name not in used:
            message = f"cue `{name}` is used by no archetype and no prompt"
            line = document.line((name,))
            yield Problem(
                "P040", "warning", str(vocabulary.CUES), line, message, "use it, or remove it"
            )


def _unguarded_modes(read: _Read) -> Iterator[Problem]:
    """Failure modes of the vocabulary that nothing guards against, asks about or measures."""
    archetypes = [reading.archetype for reading in read.readings if reading.archetype]
    have = {
        "principle": {p.failure_mode for a in archetypes for p in a.principles},
        "prompt": {row.prompt.failure_mode for row in read.prompts},
        "labelled pair": {row.answers.failure_mode for row in read.labelled},
    }
    document = load_yaml(vocabulary.FAILURE_MODES)
    for mode in load_failure_modes():
        for what, modes in have.items():
            if mode not in modes:
                message = f"no {what} for the failure mode `{mode}`"
                fix = f"write a {what}, or take the mode out of the vocabulary"
                path = str(vocabulary.FAILURE_MODES)
                yield Problem("P041", "warning", path, document.line((mode,)), message, fix)


@dataclass(frozen=True, slots=True)
class ProblemCode:
    """One entry of `problem_codes.yaml`.

    Attributes:
        code: A letter for the kind of file and three digits, e.g. `A003`.
        means: What is wrong, in one or two sentences, and why it matters.
        example: Something that has the problem.
        fix: What to do about it.
    """

    code: str
    means: str
    example: str
    fix: str


@cache
def load_problem_codes() -> Mapping[str, ProblemCode]:
    """Code -> entry, in file order; read once per process."""
    data = load_yaml(CODES).data
    entries = data if isinstance(data, dict) else {}
    found = {
        code: ProblemCode(code, entry["means"], entry["example"], entry["fix"])
        for code, entry in entries.items()
    }
    return MappingProxyType(found)


def explain(code: str) -> ProblemCode:
    """The entry of a code, upper or lower case.

    Raises:
        ConfigurationError: There is no such code; the message names near ones.
    """
    known = load_problem_codes()
    found = known.get(code.strip().upper())
    if found is None:
        near = difflib.get_close_matches(code.strip().upper(), known, n=3, cutoff=0.5)
        fix = f"codes like it: {', '.join(near)}" if near else "copy it from a line of the linter"
        raise ConfigurationError.one("X001", "--explain", f"no problem code {code!r}", fix)
    return found
