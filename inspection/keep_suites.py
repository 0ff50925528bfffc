"""Suites measured on a run's models, kept in its folder so that its report shows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import ConfigurationError
from ..evaluation.suites.evaluation import ModelOutcomes, SuiteEvaluation
from ..pipeline.stages import add_to_report
from ..report.run.artefacts import SUITES


def keep_with_run(run_dir: Path, found: SuiteEvaluation) -> Path:
    """Add an evaluation of a run's models to those the run has, and write its report anew.

    A suite measured again replaces what was there. What was measured on other weights, by
    another judge or under another system prompt is dropped, since one table cannot hold both.

    Args:
        run_dir: The run directory.
        found: Its base and trained model on some suites.

    Returns:
        Path of the report.

    Raises:
        RunDirectoryError: The folder holds no run, or another process is working in it.
    """
    file = run_dir / SUITES
    try:
        kept = SuiteEvaluation.from_json(file.read_text(encoding="utf-8"), source=SUITES)
    except (OSError, ConfigurationError):
        kept = None  # nothing yet, or damaged: the new evaluation stands alone
    whole = found if kept is None else joined(kept, found)
    return add_to_report(run_dir, SUITES, whole.to_json())


def joined(kept: SuiteEvaluation, found: SuiteEvaluation) -> SuiteEvaluation:
    """Both evaluations as one; what cannot stand beside the new one is dropped.

    Args:
        kept: What was measured before.
        found: What was measured now.
    """
    if (kept.judge_name, kept.judge, kept.system) != (found.judge_name, found.judge, found.system):
        return found
    models = tuple(_with_former(model, kept) for model in found.models)
    warnings = tuple(dict.fromkeys((*kept.warnings, *found.warnings)))
    return replace(found, models=models, warnings=warnings)


def _with_former(model: ModelOutcomes, kept: SuiteEvaluation) -> ModelOutcomes:
    former = next((m for m in kept.models if m.fingerprint == model.fingerprint), None)
    if former is None:
        return model
    new = {outcome.suite: outcome for outcome in model.suites}
    before = [new.pop(old.suite, old) for old in former.suites]
    notes = tuple(dict.fromkeys((*former.notes, *model.notes)))
    return replace(model, suites=(*before, *new.values()), notes=notes)
