"""The table a person watches while a study runs: arms, stages, progress, conditions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from ...study.planning.sharing import Job
from ...study.queues.local_queue import QueueState
from ...study.queues.run_progress import last_condition, read_progress

_MOST_ROWS = 24


def live_table(jobs: Sequence[Job], state: QueueState) -> Table:
    """Active and failed runs first, then what fits; a last row counts the rest."""
    counts = (
        f"{len(state.ended)} of {len(jobs)} ended, {len(state.active)} running, "
        f"{sum(bool(reason) for reason in state.ended.values())} failed"
    )
    table = Table(title=counts, title_justify="left")
    for column in ("arm", "seed", "state", "what", "conditions", "min"):
        table.add_column(column, justify="right" if column in ("seed", "min") else "left")
    ordered = sorted(jobs, key=lambda job: _rank(job, state))
    for job in ordered[:_MOST_ROWS]:
        table.add_row(*_cells(job, state))
    if len(ordered) > _MOST_ROWS:
        table.add_row("", "", "", f"and {len(ordered) - _MOST_ROWS} more", "", "")
    return table


def _rank(job: Job, state: QueueState) -> int:
    name = job.run.name
    if name in state.active:
        return 0
    if state.ended.get(name):
        return 1
    return 3 if name in state.ended else 2


def _cells(job: Job, state: QueueState) -> tuple[str, ...]:
    name, run = job.run.name, Path(job.run.config.runs) / job.run.name
    seed = "-" if job.run.config.untrained else str(job.run.seed)
    if name in state.active:
        minutes = f"{(time.monotonic() - state.started[name]) / 60:.1f}"
        what = read_progress(run).text or "starting"
        return job.run.arm, seed, "running", what, last_condition(run), minutes
    if name in state.ended:
        reason = state.ended[name]
        word = "[red]failed[/red]" if reason else "[green]done[/green]"
        return job.run.arm, seed, word, reason[:60].replace("[", "("), last_condition(run), ""
    return job.run.arm, seed, "[dim]waiting[/dim]", "", "", ""
