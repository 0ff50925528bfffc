"""Works out which runs of a study share work, and which must therefore run first."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ...pipeline.config import RunConfig
from ...pipeline.resolved import Resolved
from ..design import PlannedRun

LAST_STAGE = "evaluation"
"""Where a study's runs end: the study has a report, and `anlage report RUN` writes a run's own."""
_DATA = {*("model", "comparator", "teacher"), *("archetypes", "prompts", "calibration")}
"""Sections that decide what pairs are built, beside the pairs' own settings."""
_NOT_RESULT = {"name", "runs", "batch_size", "chat", "budget", "evaluation", "policy_server"}
"""Sections that change nothing about what is trained."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a run's work depends on, as far as the config says; equal keys, equal work.

    Attributes:
        data: Of calibration and pairs; "" for an untrained run.
        training: Of data and training; "" for an untrained run.
        base: Of the measurement of the untrained model.
        evaluation: Of the measurement of what the run leaves.
    """

    data: str
    training: str
    base: str
    evaluation: str


def keys_of(config: RunConfig) -> Keys:
    """The keys of one run.

    Only settings are read, no files: equal keys are promised to be equal work, different
    keys may turn out to share calls all the same.
    """
    measured = config.evaluation.model_dump_json()
    # A system prompt made of principles depends on the archetypes.
    rules = config.archetypes if config.evaluation.system == "constitution" else None
    asked = (config.model, str(config.prompts.folder), str(rules))
    if config.untrained:  # the base is measured without the system prompt there
        plain = config.evaluation.model_copy(update={"system": ""}).model_dump_json()
        base = _digest(plain, config.model, str(config.prompts.folder), "None")
        return Keys("", "", base, _digest(measured, *asked))
    base = _digest(measured, *asked)
    resolved = Resolved(config)
    built = (resolved.pairs(0).model_dump_json(), resolved.roles(0).critic.spec)
    data = _digest(config.model_dump_json(include=_DATA), *built)
    training = _digest(config.model_dump_json(exclude=_NOT_RESULT))
    return Keys(data, training, base, _digest(training, measured))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Job:
    """A run and the runs whose work it will reuse, so that it waits for them to end.

    Attributes:
        run: The run.
        after: Names of runs that make what this one shares; whether they succeed does
            not matter, since a run can make everything itself.
    """

    run: PlannedRun
    after: tuple[str, ...]


def jobs_of(runs: Sequence[PlannedRun]) -> list[Job]:
    """Runs with what each waits for: the first that measures the base, builds its pairs, trains.

    Untrained runs come first, since the base's answers are in every comparison.
    """
    ordered = sorted(runs, key=lambda run: not run.config.untrained)
    first: dict[tuple[str, str], str] = {}
    jobs = []
    for run in ordered:
        keys = keys_of(run.config)
        wanted = [("base", keys.base), ("data", keys.data), ("training", keys.training)]
        after = dict.fromkeys(
            owner
            for kind, key in wanted
            if key and (owner := first.setdefault((kind, key), run.name)) != run.name
        )
        jobs.append(Job(run, tuple(after)))
    return jobs
