"""`StudyResult`: what a study's runs measured, the comparisons, and both as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..errors import RunDirectoryError
from ..files.write import replacing
from ..pipeline.resolved import Resolved
from .comparison import Comparison, HarmCheck
from .design import Design
from .planning.frozen_plan import FrozenPlan, deviations
from .results import Results, RunResult
from .spec import StudyMeasure

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A study's runs and what they show.

    Attributes:
        results: The runs as read back.
        comparisons: Every arm against the reference on the primary outcome, or, where
            none was declared, on `defended`.
        secondary: The same on each secondary outcome; exploratory.
        harm: The no-harm checks.
        frozen: The plan as declared before the first run, None if there was none.
        folder: The study's own folder: report, tables, log.
    """

    results: Results
    comparisons: tuple[Comparison, ...]
    secondary: tuple[tuple[Comparison, ...], ...]
    harm: tuple[HarmCheck, ...]
    frozen: FrozenPlan | None
    folder: Path

    @property
    def design(self) -> Design:
        """Arms, seeds and configs."""
        return self.results.design

    @property
    def deviations(self) -> list[str]:
        """What departed from the plan, in sentences."""
        return deviations(self.design, self.frozen)

    @property
    def report(self) -> Path:
        """The report, one self-contained HTML file."""
        return self.folder / "report.html"

    @property
    def runs(self) -> pd.DataFrame:
        """One row per run: arm, seed, state, reason, seconds, calls, pairs."""
        return run_frame(self.results)

    @property
    def measures(self) -> pd.DataFrame:
        """One row per run and outcome: its mean over prompts."""
        return measure_frame(self.results)

    @property
    def comparison_table(self) -> pd.DataFrame:
        """One row per arm and outcome: difference, intervals, p-values, verdict."""
        return comparison_frame([*self.comparisons, *(c for row in self.secondary for c in row)])

    @property
    def prompts(self) -> pd.DataFrame:
        """One row per run and answer or probe item, nothing averaged."""
        return prompt_frame(self.results)


def run_frame(results: Results) -> pd.DataFrame:
    """One row per run, unfinished ones included."""
    import pandas as pd

    rows = [
        {
            **_head(result),
            "state": result.state.state,
            "reason": result.state.reason if result.model is None else "",
            "seconds": result.state.seconds,
            "calls": result.state.calls,
            "pairs": result.pairs,
        }
        for result in results.runs
    ]
    return pd.DataFrame(rows)


def measure_frame(results: Results) -> pd.DataFrame:
    """One row per finished run and declared outcome: mean over its units."""
    import pandas as pd

    rows = []
    for result in results.runs:
        for outcome in outcomes_of(results):
            units = outcome.units(result.model) if result.model else {}
            if units:
                mean = fmean(units.values())
                rows.append({**_head(result), **_named(outcome), "n": len(units), "value": mean})
    return pd.DataFrame(rows)


def outcomes_of(results: Results) -> list[StudyMeasure]:
    """Primary, secondary and no-harm outcomes, each once; `defended` where none is declared."""
    spec = results.design.spec
    primary = [spec.outcome or StudyMeasure(measure="defended")]
    found = [*primary, *spec.secondary, *(rule.outcome for rule in spec.no_harm)]
    return list(dict.fromkeys(found))


def comparison_frame(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """One row per comparison."""
    import pandas as pd

    rows = []
    for c in comparisons:
        best, fixed = c.best, c.fixed
        rows.append(
            {
                "arm": c.arm,
                "against": c.against,
                **_named(c.outcome),
                "declared": c.declared,
                "seeds": len(c.seeds),
                "difference": best.value if best else math.nan,
                "low": best.interval.low if best else math.nan,
                "high": best.interval.high if best else math.nan,
                "low_same_prompts": fixed.interval.low if fixed else math.nan,
                "high_same_prompts": fixed.interval.high if fixed else math.nan,
                "p": best.p if best else math.nan,
                "p_holm": c.p_holm,
                "verdict": c.verdict,
            }
        )
    return pd.DataFrame(rows)


def prompt_frame(results: Results) -> pd.DataFrame:
    """One row per run and answer or scored pair, nothing averaged or left out."""
    import pandas as pd

    return pd.DataFrame([row for result in results.runs for row in _prompt_rows(result)])


def _prompt_rows(result: RunResult) -> Iterator[dict[str, Any]]:
    if result.model is None:
        return
    head = _head(result)
    for answer in result.model.answers:
        yield {
            **head,
            "kind": "answer",
            "id": answer.prompt_id,
            "failure_mode": answer.failure_mode,
            "role": answer.role,
            "verdict": answer.verdict or "",
            "p_refused": answer.p_refused,
            "repetition": answer.repetition,
            "margin": math.nan,
            "prompt": answer.prompt,
            "answer": answer.text,
        }
    for item in result.model.probe:
        yield {
            **head,
            "kind": "probe",
            "id": item.id,
            "failure_mode": item.failure_mode,
            "role": item.role,
            "verdict": "",
            "p_refused": math.nan,
            "repetition": math.nan,
            "margin": item.margin,
            "prompt": "",
            "answer": "",
        }


def write_tables(results: Results, comparisons: pd.DataFrame, folder: Path) -> None:
    """Writes `runs.csv`, `measures.csv`, `comparisons.csv`, `prompts.csv`, `prompts.parquet`.

    Raises:
        RunDirectoryError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frames = {
        "runs": run_frame(results),
        "measures": measure_frame(results),
        "comparisons": comparisons,
        "prompts": prompt_frame(results),
    }
    try:
        for name, frame in frames.items():
            with replacing(folder / f"{name}.csv") as scratch:
                frame.to_csv(scratch, index=False)
        with replacing(folder / "prompts.parquet") as scratch:
            frames["prompts"].to_parquet(scratch, index=False)
    except OSError as error:
        raise RunDirectoryError(
            f"cannot write the tables of {folder}: {error.strerror or error}. Free some space, "
            "then run `anlage study report` again; nothing is lost."
        ) from error


def _head(result: RunResult) -> dict[str, Any]:
    run, resolved = result.run, Resolved(result.run.config)
    return {
        "run": run.name,
        "arm": run.arm,
        "seed": run.seed,
        "seed_data": resolved.data_seed,
        "seed_train": resolved.training_seed,
    }


def _named(outcome: StudyMeasure) -> dict[str, Any]:
    return {"measure": outcome.measure, "failure_mode": outcome.failure_mode, "role": outcome.role}
