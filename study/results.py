"""Reads what the runs of a study measured from their run directories."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from ..errors import ConfigurationError
from ..evaluation.model_evaluation import ModelEvaluation
from ..evaluation.result import Evaluation
from ..inspection.run_state import RunState, run_state
from .design import Design, PlannedRun
from .spec import StudyMeasure


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run of a study: what became of it and what it measured.

    Attributes:
        run: The planned run.
        state: What its directory says.
        model: Measurement of what the run leaves; None unless it is finished and whole.
        base: Measurement of the untrained model beside it; None as above.
        pairs: Number of pairs it trained from, 0 if none.
    """

    run: PlannedRun
    state: RunState
    model: ModelEvaluation | None = None
    base: ModelEvaluation | None = None
    pairs: int = 0


@dataclass(frozen=True, slots=True)
class Results:
    """All runs of a study. Only finished and whole runs take part in any average."""

    design: Design
    runs: tuple[RunResult, ...]

    def get(self, arm: str, seed: int) -> RunResult | None:
        """The run of an arm that stands for a seed, if it is finished and whole."""
        wanted = self.design.run_of(arm, seed).name
        found = next(result for result in self.runs if result.run.name == wanted)
        return found if found.model is not None else None

    def units(self, outcome: StudyMeasure, arm: str) -> dict[int, dict[str, float]]:
        """Seed -> unit -> value, for the seeds at which the arm has a finished run."""
        values = {}
        for seed in self.design.spec.seeds:
            found = self.get(arm, seed)
            units = outcome.units(found.model) if found and found.model else {}
            if units:
                values[seed] = units
        return values

    def means(self, outcome: StudyMeasure, arm: str) -> dict[int, float]:
        """Seed -> mean over the run's units."""
        return {seed: fmean(u.values()) for seed, u in self.units(outcome, arm).items()}

    @property
    def unfinished(self) -> list[RunResult]:
        """Runs that are not part of any figure, in order."""
        return [result for result in self.runs if result.model is None]


def load_results(design: Design, *, check: tuple[str, ...] | None = ("evaluation",)) -> Results:
    """Reads every run of a study.

    Args:
        design: The study.
        check: Stages whose files are hashed first; None for all. A run that does not
            match is `corrupt` and takes no part.
    """
    memory: dict[str, RunResult] = {}
    for run in design.runs:
        memory[run.name] = _load(run, Path(design.spec.runs) / run.name, check)
    return Results(design, tuple(memory.values()))


def _load(run: PlannedRun, folder: Path, check: tuple[str, ...] | None) -> RunResult:
    state = run_state(folder, check=check)
    if state.state != "finished":
        return RunResult(run, state)
    file = folder / "50_evaluation.json"
    try:
        evaluation = Evaluation.from_json(file.read_text("utf-8"), source=str(file))
    except (OSError, ConfigurationError) as error:
        return RunResult(run, RunState("corrupt", str(error)))
    base = evaluation.models[0]
    return RunResult(run, state, evaluation.models[-1], base, _pairs(folder))


def _pairs(folder: Path) -> int:
    """Pairs the training saw; a selection (an archetype left out) takes some of those built."""
    try:
        trained = json.loads((folder / "40_training" / "result.json").read_text("utf-8"))
        if isinstance(trained, dict) and isinstance(trained.get("pairs"), int):
            return int(trained["pairs"])
    except (OSError, ValueError):
        pass  # not trained, or by a version that did not count
    try:
        with (folder / "30_pairs.jsonl").open("rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0


def shared_units(values: Sequence[Mapping[str, float]]) -> list[str]:
    """Units that every run has, in the order of the first."""
    if not values:
        return []
    return [unit for unit in values[0] if all(unit in other for other in values[1:])]
