"""Reads what a run directory holds for its report, and lists what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ...errors import ConfigurationError
from ...evaluation.result import Evaluation
from ...evaluation.suites.evaluation import SuiteEvaluation

SUITES = "51_suites.json"
Json = dict[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The artefacts of one run. None or () where `missing` says why.

    Attributes:
        name: Name of the run directory.
        calibration: 20_calibration.json.
        pairs: Rows of 30_pairs.jsonl.
        outcomes: 31_outcomes.json.
        confounds: 32_confounds.json.
        metrics: Rows of 40_training/metrics.jsonl.
        training: 40_training/training.json; only where the run trains.
        forgetting: 40_training/forgetting.json; only runs with layers or rounds have one.
        conditions: Rows of 40_training/conditions.jsonl; () where no monitor fired.
        undone: Rows of 40_training/metrics_undone.jsonl; () where nothing was rolled back.
        evaluation: 50_evaluation.json.
        suites: 51_suites.json; only where suites were measured on this run.
        config: Text of config.yaml.
        environment: environment.json.
        manifest: manifest.json.
        missing: File -> what is wrong with it, in words.
    """

    name: str
    calibration: Json | None
    pairs: tuple[Json, ...]
    outcomes: Json | None
    confounds: Json | None
    metrics: tuple[Json, ...]
    training: Json | None
    forgetting: Json | None
    conditions: tuple[Json, ...]
    undone: tuple[Json, ...]
    evaluation: Evaluation | None
    suites: SuiteEvaluation | None
    config: str | None
    environment: Json | None
    manifest: Json | None
    missing: dict[str, str] = field(default_factory=dict)


def load_artefacts(folder: Path) -> Artefacts:
    """Read every artefact there is; a missing or damaged one never stops the report."""
    missing: dict[str, str] = {}

    def load(file: str, parse: Callable[[str], _T], *, always: bool = True) -> _T | None:
        try:
            return parse((folder / file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            if always:
                missing[file] = f"{file} is not there: this stage has not run."
        except (OSError, ValueError, ConfigurationError) as error:
            missing[file] = f"{file} could not be read ({error}); run its stage again."
        return None

    return Artefacts(
        name=folder.resolve().name,
        calibration=load("20_calibration.json", _object),
        pairs=load("30_pairs.jsonl", _rows) or (),
        outcomes=load("31_outcomes.json", _object),
        confounds=load("32_confounds.json", _object),
        metrics=load("40_training/metrics.jsonl", _rows) or (),
        training=load("40_training/training.json", _object, always=False),
        # Only a run with layers, rounds or monitors leaves these.
        forgetting=load("40_training/forgetting.json", _object, always=False),
        conditions=load("40_training/conditions.jsonl", _rows, always=False) or (),
        undone=load("40_training/metrics_undone.jsonl", _rows, always=False) or (),
        evaluation=load(
            "50_evaluation.json",
            lambda text: Evaluation.from_json(text, source="50_evaluation.json"),
        ),
        suites=load(
            SUITES, lambda text: SuiteEvaluation.from_json(text, source=SUITES), always=False
        ),
        config=load("config.yaml", str),
        environment=load("environment.json", _object),
        manifest=load("manifest.json", _object),
        missing=missing,
    )


def _object(text: str) -> Json:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"expected a JSON object, got {type(data).__name__}")
    return data


def _rows(text: str) -> tuple[Json, ...]:
    """One object per line. A cut last line (a killed run) is left out."""
    lines = [line for line in text.splitlines() if line.strip()]
    rows: list[Json] = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_object(line))
        except ValueError as error:
            if number == len(lines) and not text.endswith("\n"):
                break
            raise ValueError(f"line {number}: {error}") from error
    return tuple(rows)
