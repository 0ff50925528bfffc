"""A study in the terminal: the plan as tables, and the table shown while it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...study.queues.run_progress import last_condition, read_progress

if TYPE_CHECKING:
    from ...study.planning.plan import Power, StudyPlan
    from ...study.planning.sharing import Job
    from ...study.queues.local_queue import QueueState

_MOST_ROWS = 60
_MOST_JOBS = 24


def plan_text(plan: StudyPlan) -> RenderableType:
    """Per arm what is new and shared, the totals, what the study can see, what to know."""
    design = plan.design
    table = Table(title=f"{design.spec.name}: {len(plan.arms)} arms, {len(design.runs)} runs")
    columns = ("arm", "runs", "done", "new data", "shared data", "trainings", "calls", "min")
    for column in columns:
        table.add_column(column, justify="left" if column == "arm" else "right", overflow="fold")
    for arm in plan.arms[:_MOST_ROWS]:
        numbers = (arm.runs, arm.done, arm.new_data, arm.shared_data, arm.trainings, arm.calls)
        table.add_row(Text(arm.arm), *map(str, numbers), f"{arm.seconds / 60:.1f}")
    if len(plan.arms) > _MOST_ROWS:
        table.add_row(f"and {len(plan.arms) - _MOST_ROWS} more", *[""] * (len(columns) - 1))
    cost = "at an unknown price" if plan.usd is None else f"${plan.usd:.2f}"
    cost = cost if plan.usd != 0 else "no fees"
    lines = [
        f"At most {plan.calls:,} model calls, {cost}, about {duration(plan.seconds)} one run after "
        f"the other (rates of {plan.rates.source}).",
        *power_lines(plan.power),
        *design.warnings,
    ]
    return Group(table, *(Text(line) for line in lines))


def power_lines(power: Power) -> list[str]:
    """What the number of seeds can see, in sentences."""
    if power.visible_sd is None or power.visible_sd_all is None:
        return ["One seed: no difference can be told from chance."]
    lines = [
        f"With {power.seeds} seeds a difference of {power.visible_sd:.1f} standard deviations "
        f"(of the paired differences) is seen 80% of the time; as the hardest of "
        f"{power.comparisons} comparisons after Holm, {power.visible_sd_all:.1f}."
    ]
    if power.power is not None and power.effect is not None and power.sd is not None:
        lines.append(
            f"The expected difference of {power.effect:g} at a standard deviation of {power.sd:g} "
            f"is seen with probability {power.power:.2f} (hardest of {power.comparisons})."
        )
    elif power.sd is None:
        lines.append(f"The standard deviation is {power.source}.")
    return lines


def duration(seconds: float) -> str:
    """Seconds in the unit a person would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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
    for job in ordered[:_MOST_JOBS]:
        table.add_row(*_cells(job, state))
    if len(ordered) > _MOST_JOBS:
        table.add_row("", "", "", f"and {len(ordered) - _MOST_JOBS} more", "", "")
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
