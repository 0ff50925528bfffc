"""The plan as tables for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...study.planning.plan import Power, StudyPlan

_MOST_ROWS = 60


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
