"""Which runs of a study share which work, and so which must go first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..pipeline.config import RunConfig
from .design import PlannedRun

_DATA = (
    *("model", "critic", "comparator", "teacher"),
    *("archetypes", "prompts", "calibration", "pairs"),
)
"""Sections that decide what pairs are built."""
_NOT_RESULT = ("name", "runs", "batch_size", "chat", "budget")
"""Sections that change no result."""


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
    settings = config.model_dump(mode="json")
    result = {name: value for name, value in settings.items() if name not in _NOT_RESULT}
    measured = result.pop("evaluation")
    base = _digest([settings["model"], measured, settings["prompts"]["folder"], _rules(settings)])
    if config.untrained:
        return Keys("", "", base, base)
    data = _digest({name: settings[name] for name in _DATA})
    training = _digest(result)
    return Keys(data, training, base, _digest([training, measured]))


def _rules(settings: Mapping[str, Any]) -> Any:
    """What a system prompt made of principles depends on; nothing where there is none."""
    return settings["archetypes"] if settings["evaluation"]["system"] == "constitution" else None


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


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


def count_distinct(keys: Iterable[str]) -> int:
    """Number of different keys, "" not counted."""
    return len({key for key in keys if key})
