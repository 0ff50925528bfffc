"""Models on suites behind the store: what `anlage evaluate --suites` does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from ..constitution.principle import Principle
from ..errors import ConfigurationError
from ..evaluation.answer import Judge
from ..evaluation.judges.judging import AskingJudge, LlmJudge, Rubric
from ..evaluation.judges.refusal_judge import RefusalJudge
from ..evaluation.suites.evaluation import ModelOutcomes, SuiteEvaluation
from ..evaluation.suites.load import LoadedSuite
from ..evaluation.suites.plan import Wish, load_wishes, profile
from ..evaluation.suites.run import evaluate_suites
from ..llm.run_sync import run_sync
from ..pipeline.models import RunModels
from ..pipeline.progress import StageProgress
from ..pipeline.stages import add_to_report
from ..report.run.artefacts import SUITES
from ..store.store import Store
from .models import NamedModel


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured, as the command line says it.

    Attributes:
        suites: `NAME[+ATTACK][:LIMIT]`, comma-separated.
        profile: Name of a profile, "" for none; its suites come first.
        folder: The suite folder, or None.
        judge: Model of a language-model judge; "" for the shipped judge.
        quality: Model that rates harmful help; "" rates nothing.
        system: System prompt of every conversation.
        max_tokens: Most new tokens per answer; None as each suite says.
        seed: Seeds the samples.
        principles: Of the runs that are measured, for persona intrusion.
    """

    suites: str = ""
    profile: str = ""
    folder: Path | None = None
    judge: str = ""
    quality: str = ""
    system: str = ""
    max_tokens: int | None = None
    seed: int = 0
    principles: tuple[Principle, ...] = ()

    def load(self) -> list[LoadedSuite]:
        """All suites asked for, loaded and checked.

        Raises:
            ConfigurationError: Anything wrong with them; all problems at once.
        """
        wishes = profile(self.profile) if self.profile else []
        wishes += [Wish.parse(text) for text in self.suites.split(",") if text.strip()]
        return load_wishes(wishes, self.folder, seed=self.seed)


def measure_suites(
    chosen: Sequence[NamedModel],
    asked: Asked,
    *,
    store: Path,
    batch_size: int = 32,
    console: Console | None = None,
) -> SuiteEvaluation:
    """Measures each model in turn; a stopped call goes on where it was.

    Args:
        chosen: The models.
        asked: What to measure.
        store: The call store; made with its folder if missing.
        batch_size: Most requests a local model runs together.
        console: Where to show progress; None shows none.

    Raises:
        ConfigurationError: Suites, models or judge that do not fit, before any cost.
        ModelNotFoundError: No such model.
    """
    asked.load()
    progress = StageProgress(console or Console(), quiet=console is None)
    started = time.perf_counter()
    with Store(store) as kept, progress.stage("evaluating"):
        models = RunModels(kept, batch_size=batch_size, on_progress=progress.update)
        found = measure_with(models, progress, chosen, asked)
    progress.say(f"{models.calls} model calls, {time.perf_counter() - started:.0f} s.")
    return found


def measure_with(
    models: RunModels, progress: StageProgress, chosen: Sequence[NamedModel], asked: Asked
) -> SuiteEvaluation:
    """The same with models that are open already.

    Args:
        models: Gives the models, behind a store and within a budget.
        progress: Told what is being measured.
        chosen: The models.
        asked: What to measure.

    Raises:
        ConfigurationError: Suites, models or judge that do not fit, before any cost.
        ModelNotFoundError: No such model.
    """
    loaded = asked.load()
    found: list[SuiteEvaluation] = []
    judge = _judge(asked, models)
    rubric = Rubric(models.get(asked.quality)) if asked.quality else None
    for one in chosen or [NamedModel("", "")]:
        work = evaluate_suites(
            {one.name: models.get(one.spec, one.adapter)} if chosen else {},
            loaded,
            judge=judge,
            rubric=rubric,
            system=asked.system,
            seed=asked.seed,
            max_tokens=asked.max_tokens,
            principles=asked.principles,
            on_step=progress.step,
        )
        found.append(run_sync(work))
        if not (asked.judge or asked.quality):
            models.release()  # one set of weights in memory at a time
    return _joined(found)


def _joined(parts: Sequence[SuiteEvaluation]) -> SuiteEvaluation:
    """One evaluation of all models; the warnings of each once."""
    models: tuple[ModelOutcomes, ...] = tuple(model for part in parts for model in part.models)
    warnings = dict.fromkeys(warning for part in parts for warning in part.warnings)
    return replace(parts[0], models=models, warnings=tuple(warnings))


def _judge(asked: Asked, models: RunModels) -> Judge | AskingJudge:
    if not asked.judge:
        return RefusalJudge.load()
    return LlmJudge(models.get(asked.judge), name=f"language-model judge {asked.judge}")


def keep_with_run(run_dir: Path, found: SuiteEvaluation) -> Path:
    """Add an evaluation of a run's models to those the run has, and write its report anew.

    A suite measured again replaces what was there. What was measured on other weights, by
    another judge or under another system prompt is dropped, since one table cannot hold both.

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
    """Both evaluations as one; what cannot stand beside the new one is dropped."""
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
