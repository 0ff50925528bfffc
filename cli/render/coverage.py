"""Coverage as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...authoring.coverage import SPLITS, Coverage


def coverage_text(found: Coverage) -> RenderableType:
    """Failure modes with their guards and counts, domains, motives, and what is missing."""
    table = Table(title=f"{len(found.archetypes)} archetypes, {len(found.modes)} failure modes")
    table.add_column("failure mode")
    table.add_column("principles", justify="right")
    table.add_column("guarded by")
    for split in (*SPLITS, "labelled"):
        table.add_column(split, justify="right")
    for mode in found.modes:
        guards = ", ".join(f"{name} {count}" for name, count in mode.principles.items()) or "-"
        counts = [str(mode.twins[split]) for split in SPLITS]
        style = "red" if mode.gaps else ""
        total = str(sum(mode.principles.values()))
        table.add_row(mode.mode, total, guards, *counts, str(mode.labelled), style=style)
    parts: list[RenderableType] = [
        table,
        Text("Principles, twin pairs of prompts per split, and labelled answer pairs.\n"),
        _groups("domain of cooperation", found.domains),
        _groups("motive", found.motives),
    ]
    parts += [Text(f"{mode}: {'; '.join(gaps)}", style="red") for mode, gaps in found.gaps.items()]
    if not found.gaps:
        parts.append(Text("Every failure mode is guarded, prompted and probed."))
    return Group(*parts)


def _groups(title: str, groups: Mapping[str, tuple[str, ...]]) -> Table:
    table = Table(title, "archetypes")
    for name, members in groups.items():
        table.add_row(name, ", ".join(members) or "-")
    return table
