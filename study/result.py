"""`StudyResult`: the design of a study, what its runs measured, and the comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .comparison import Comparison, HarmCheck
from .design import Design
from .planning.frozen_plan import FrozenPlan, deviations
from .results import Results
from .tables import comparison_frame, measure_frame, prompt_frame, run_frame

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
