"""The stages of a run in order, and those that need no file of their own."""

from __future__ import annotations

import time
from pathlib import Path

from ..constitution.principle import Constitution
from ..constitution.yaml_form import dump_constitution, load_constitution
from ..critic.calibrate import Calibration, calibrate
from ..files.write import hash_path, write_atomically, write_json
from ..llm.request import Model
from ..llm.run_sync import run_sync
from .evaluation_stage import EvaluationStage
from .inputs import calibration_pairs, compile_for, hash_data, hash_labelled
from .pairs_stage import PairsStage
from .resolved import Resolved
from .run_directory import RunDirectory, locked
from .stage import Context, Stage
from .training_stages import training_stages


class ConstitutionStage(Stage):
    """Compiles the archetypes."""

    name = "constitution"
    title = "compiling archetypes"
    version = 2
    outputs = ("10_constitution.yaml",)

    def settings(self, resolved: Resolved) -> object:
        """Which archetypes."""
        return resolved.archetypes.model_dump(mode="json")

    def inputs(self, context: Context) -> dict[str, str]:
        """The text itself: cheap to make, and it holds the lines that `trace` needs."""
        return {"text": hash_data(dump_constitution(compile_for(context.resolved)))}

    def execute(self, context: Context) -> str:
        """Writes the principles."""
        constitution = compile_for(context.resolved)
        write_atomically(context.run.constitution, dump_constitution(constitution))
        return f"{len(constitution)} principles, hash {constitution.hash[:12]}"


async def calibrate_for(
    resolved: Resolved, comparator: Model, constitution: Constitution
) -> Calibration:
    """Measures a run's comparator on the run's sample of labelled pairs.

    Raises:
        OutcomeError: The calls of too many pairs failed.
    """
    pairs = calibration_pairs(resolved)
    return await calibrate(comparator, pairs, constitution, seed=resolved.data_seed)


class CalibrationStage(Stage):
    """Measures the comparator before it may label."""

    name = "calibration"
    title = "measuring the critic"
    outputs = ("20_calibration.json",)
    version = 2
    shipped = ("prompts/templates/*.md", "archetypes/failure_modes.yaml")

    def settings(self, resolved: Resolved) -> object:
        """Which model, and how many labelled pairs are drawn with which seed."""
        return [resolved.calibrated, resolved.data_seed, resolved.calibration_limit]

    def inputs(self, context: Context) -> dict[str, str]:
        """Principles, the comparator and the labelled pairs."""
        return {
            "constitution": load_constitution(context.run.constitution).hash,
            "comparator": context.models.identity(context.resolved.calibrated),
            "exemplars": hash_labelled(calibration_pairs(context.resolved)),
        }

    def execute(self, context: Context) -> str:
        """Asks the comparator and writes how often it was right."""
        constitution = load_constitution(context.run.constitution)
        comparator = context.models.get(context.resolved.calibrated)
        result = run_sync(calibrate_for(context.resolved, comparator, constitution))
        write_json(context.run.calibration, result.to_json())
        return f"{context.resolved.calibrated}: {result.reason}"


class ReportStage(Stage):
    """Writes the report."""

    name = "report"
    title = "writing the report"
    outputs = ("60_report.html",)
    shipped = ("report/run/report.html",)
    reads = (
        "config.yaml",
        "40_training/training.json",
        "40_training/forgetting.json",
        "40_training/checks.jsonl",
        "40_training/conditions.jsonl",
        "10_constitution.yaml",
        "20_calibration.json",
        "30_pairs.jsonl",
        "31_outcomes.json",
        "32_confounds.json",
        "50_evaluation.json",
        "51_suites.json",
    )

    def settings(self, resolved: Resolved) -> object:
        """None: what the report shows is in the files."""
        return None

    def inputs(self, context: Context) -> dict[str, str]:
        """Every artefact there is."""
        return self.artefacts(context.run.path)

    def artefacts(self, folder: Path) -> dict[str, str]:
        """Name -> hash of every artefact that a run directory holds for its report."""
        return {name: hash_path(folder / name) for name in self.reads if (folder / name).exists()}

    def execute(self, context: Context) -> str:
        """Writes the page."""
        return str(self.write(context.run.path))

    def write(self, folder: Path) -> Path:
        """Writes the page of a run directory; returns its path."""
        from ..report.run.report import write_report

        return write_report(folder)


def add_to_report(folder: Path, name: str, text: str) -> Path:
    """Writes an artefact that is no stage's into a run, then the report anew.

    The manifest knows the new report, so the run stays as whole as it was, and a report that
    is up to date is not written again.

    Args:
        folder: The run directory.
        name: File name of the artefact; one that `ReportStage` reads.
        text: Its content.

    Returns:
        Path of the report.

    Raises:
        RunDirectoryError: The folder holds no run, or another process is working in it.
    """
    stage, started = ReportStage(), time.monotonic()
    with locked(RunDirectory(folder)):
        manifest = RunDirectory(folder).manifest  # as it is while nobody else writes it
        write_atomically(folder / name, text)
        manifest.forget(stage.name)
        path = stage.write(folder)
        key = stage.key_of(None, stage.artefacts(folder))
        seconds = time.monotonic() - started
        manifest.record(stage, key, seconds=seconds, calls=0)
    return path


STAGE_NAMES = ("constitution", "calibration", "pairs", "training", "evaluation", "report")
"""What a run can be stopped after; rounds and layers have stages of their own in between."""


def stages_for(resolved: Resolved) -> tuple[Stage, ...]:
    """The stages a run goes through, in order; each reads what the ones before it left.

    Without training, only what measures the model.
    """
    if resolved.untrained:
        return (ConstitutionStage(), EvaluationStage(), ReportStage())
    rounds = tuple(
        stage
        for number in range(resolved.rounds)
        for stage in (PairsStage(resolved, number), *training_stages(resolved, number))
    )
    return (ConstitutionStage(), CalibrationStage(), *rounds, EvaluationStage(), ReportStage())
