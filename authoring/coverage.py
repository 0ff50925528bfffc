"""Counts the principles, twin prompts, checks and labelled pairs of each failure mode."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from ..archetypes.loader import LIBRARY, load_archetypes
from ..archetypes.schema import CooperationDomain, MotiveSystem
from ..archetypes.vocabulary import load_failure_modes
from ..errors import PromptError
from ..prompts.labelled import read_labelled
from ..prompts.linter import read_sets
from ..prompts.prompt import Split
from ..stats.intervals import Rate

SPLITS: tuple[Split, ...] = get_args(Split)
MIN_LABELLED = 30
"""Labelled pairs below which a failure mode counts as not probed: 30 are wanted to see a change."""

MIN_CHECKED: Final[Mapping[Split, int]] = {"train": 20, "dev": 24, "test": 40}
"""Twin pairs with checks below which a failure mode counts as not checked."""
MIN_JUDGED: Final = 15
"""Labelled answers that fail, and that keep, below which the checks count as not measured."""
MEASURED: Final = Path(__file__).parents[1] / "evaluation" / "checks" / "measured.json"
"""How often the shipped checks are right; `benchmarks/checks.py` writes it."""


@dataclass(frozen=True, slots=True)
class ModeCoverage:
    """One failure mode.

    Attributes:
        mode: Its id.
        principles: Archetype id -> number of principles that guard against it.
        twins: Split -> number of twin pairs about it.
        labelled: Number of labelled answer pairs about it.
        checked: Split -> number of twin pairs about it that carry checks.
        precision: Of the answers that the shipped checks call failing, the share that is; None
            where too few answers were labelled.
        recall: Of the failing answers, the share that they call failing; None as above.
    """

    mode: str
    principles: Mapping[str, int]
    twins: Mapping[str, int]
    labelled: int
    checked: Mapping[Split, int]
    precision: Rate | None
    recall: Rate | None

    @property
    def gaps(self) -> tuple[str, ...]:
        """What is missing, in words; empty where nothing is."""
        found = [] if self.principles else ["no principle guards against it"]
        found += [f"no {split} prompts" for split in SPLITS if not self.twins.get(split)]
        if self.labelled < MIN_LABELLED:
            found.append(f"{self.labelled} labelled pairs, {MIN_LABELLED} are wanted")
        for split, wanted in MIN_CHECKED.items():
            if self.checked[split] < wanted:
                found.append(
                    f"{self.checked[split]} {split} pairs with checks, {wanted} are wanted"
                )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a library covers.

    Attributes:
        archetypes: Ids, in order.
        modes: Every failure mode of the vocabulary, in its order.
        domains: Each domain of cooperation -> archetypes that serve it.
        motives: Each motive system -> archetypes that have it.
    """

    archetypes: tuple[str, ...]
    modes: tuple[ModeCoverage, ...]
    domains: Mapping[str, tuple[str, ...]]
    motives: Mapping[str, tuple[str, ...]]

    @property
    def gaps(self) -> dict[str, tuple[str, ...]]:
        """Failure mode -> what is missing, for those that lack something."""
        return {mode.mode: mode.gaps for mode in self.modes if mode.gaps}


def coverage(
    path: Path | str = LIBRARY, *, prompts: Path | None = None, labelled: Path | None = None
) -> Coverage:
    """Counts principles, twin pairs, checks and labelled pairs of every failure mode.

    Args:
        path: Archetype file or folder.
        prompts: Folder of prompt sets; the shipped ones if None.
        labelled: Folder of labelled pairs; the shipped ones if None.

    Raises:
        ArchetypeError: The archetypes do not validate.
        PromptError: A prompt set or labelled pair does not.

    Not covered: whether prompts and principles are any good; counting cannot say.
    """
    archetypes = load_archetypes(path)
    located, problems = read_sets(prompts)
    pairs, more = read_labelled(labelled)
    errors = [p for p in [*problems, *more] if p.severity == "error"]
    if errors:
        raise PromptError(errors)
    twins = Counter(
        (r.prompt.failure_mode, r.prompt.split) for r in located if _at_risk(r.prompt.role)
    )
    checks = Counter(
        (r.prompt.failure_mode, r.prompt.split)
        for r in located
        if r.check is not None and _at_risk(r.prompt.role)
    )
    quality = json.loads(MEASURED.read_text(encoding="utf-8")) if prompts is None else {}
    probes = Counter(row.answers.failure_mode for row in pairs)
    guards = Counter(
        (principle.failure_mode, archetype.id)
        for archetype in archetypes
        for principle in archetype.principles
    )
    names = tuple(archetype.id for archetype in archetypes)
    modes = tuple(
        ModeCoverage(
            mode,
            {name: guards[mode, name] for name in names if guards[mode, name]},
            {split: twins[mode, split] for split in SPLITS},
            probes[mode],
            {split: checks[mode, split] for split in SPLITS},
            *_quality(quality.get(mode)),
        )
        for mode in load_failure_modes()
    )
    domains = {
        domain: tuple(a.id for a in archetypes if domain in a.cooperation_domain)
        for domain in get_args(CooperationDomain)
    }
    motives = {
        motive: tuple(a.id for a in archetypes if a.motive_system == motive)
        for motive in get_args(MotiveSystem)
    }
    return Coverage(names, modes, domains, motives)


def _at_risk(role: str) -> bool:
    """Each twin pair is counted once, at its at-risk half."""
    return role == "at_risk"


def _quality(found: dict[str, dict[str, Any]] | None) -> tuple[Rate | None, Rate | None]:
    """Precision and recall of failing answers, where enough answers were labelled."""
    if found is None or min(found["labels"].values()) < MIN_JUDGED:
        return None, None
    return Rate(*found["fails"]["precision"]), Rate(*found["fails"]["recall"])
