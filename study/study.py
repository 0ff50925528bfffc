"""`Study`: plan, run, read back and report a study from one file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from ..inspection.run_state import run_state
from .comparison import check_harm, compare
from .design import design
from .planning.frozen_plan import freeze, read_frozen
from .planning.plan import StudyPlan, make_plan
from .planning.sharing import Job, jobs_of
from .queues.local_queue import EventLog, LocalQueue, OnChange, Queue, QueueState
from .result import StudyResult
from .results import load_results
from .spec import StudyMeasure

Backend = Literal["local", "ray"]
_FALLBACK = StudyMeasure(measure="defended")


class Study:
    """A study file, worked out.

    Args:
        path: The study file.
        full: Apply its `full:` section.

    Raises:
        ConfigurationError: Everything wrong with the file or an arm, at once.

    Example:
        >>> import anlage
        >>> study = anlage.Study("examples/studies/s0-archetypes.yaml")  # doctest: +SKIP
        >>> print(study.plan().calls)  # doctest: +SKIP
        >>> result = study.run(parallel=2)  # doctest: +SKIP
        >>> result.comparison_table[["arm", "difference", "low", "high"]]  # doctest: +SKIP
    """

    def __init__(self, path: str | Path, *, full: bool = False) -> None:
        self.path = Path(path)
        self.design = design(path, full=full)
        self.folder = Path(self.design.spec.runs) / "studies" / self.design.spec.name

    def plan(self) -> StudyPlan:
        """Per arm what is new and what is shared, calls, cost, time, power; asks nothing."""
        return make_plan(self.design)

    def run(
        self,
        *,
        parallel: int = 1,
        backend: Backend = "local",
        address: str | None = None,
        on_change: Callable[[Sequence[Job], QueueState], None] | None = None,
    ) -> StudyResult:
        """Runs what is not finished, then writes report and tables.

        Killed at any moment, the same call goes on: finished runs are kept, others go on
        at their last stored call or training checkpoint, failed and corrupt ones are
        tried again. A run that fails leaves the others running.

        Args:
            parallel: Most runs at a time (`ray`: per call, spread over the cluster).
            backend: `local` processes, or tasks on a Ray cluster.
            address: `ray`: address of the cluster; None starts or joins a local one.
            on_change: Told jobs and queue several times a second.

        Raises:
            RunDirectoryError: A folder cannot be written.
            NotSupportedError: `ray` is not installed.
        """
        jobs = self.open_jobs()
        states = [run_state(Path(run.config.runs) / run.name) for run in self.design.runs]
        freeze(self.design, self.folder, finished=sum(s.state == "finished" for s in states))
        log = EventLog(self.folder)

        def changed(state: QueueState) -> None:
            log.note(state)
            if on_change is not None:
                on_change(jobs, state)

        if jobs:
            started = time.monotonic()
            queue = self._queue(backend, parallel, address, changed)
            state = queue.run(jobs, may_start=lambda now: self._may_start(now, started))
            changed(state)
        return self.write()

    def open_jobs(self) -> list[Job]:
        """The runs that are not finished and whole, with what each waits for."""
        return [
            job
            for job in jobs_of(self.design.runs)
            if run_state(Path(job.run.config.runs) / job.run.name).state != "finished"
        ]

    def result(self) -> StudyResult:
        """Reads back what there is, runs nothing, writes nothing."""
        results = load_results(self.design)
        spec = self.design.spec
        return StudyResult(
            results,
            tuple(compare(results, spec.outcome or _FALLBACK)),
            tuple(tuple(compare(results, outcome)) for outcome in spec.secondary),
            tuple(check_harm(results)),
            read_frozen(self.folder),
            self.folder,
        )

    def write(self) -> StudyResult:
        """Writes the report, `results.csv`, `prompts.csv` and `prompts.parquet` anew."""
        from .report.report import write_report
        from .result import write_tables

        found = self.result()
        write_tables(found.results, found.comparison_table, self.folder)
        write_report(found, self.folder / "report.html")
        return found

    def _queue(
        self, backend: Backend, parallel: int, address: str | None, on_change: OnChange
    ) -> Queue:
        if backend == "ray":
            from .queues.ray_queue import RayQueue

            return RayQueue(self.folder, parallel=parallel, address=address, on_change=on_change)
        parallel = max(1, min(parallel, 4 * (os.cpu_count() or 1)))
        return LocalQueue(self.folder / "workers", parallel=parallel, on_change=on_change)

    def _may_start(self, state: QueueState, started: float) -> bool:
        stop = self.design.spec.stop
        failed = sum(bool(reason) for reason in state.ended.values())
        if stop.max_failed is not None and failed >= stop.max_failed:
            return False
        hours = (time.monotonic() - started) / 3600
        return stop.max_hours is None or hours < stop.max_hours
