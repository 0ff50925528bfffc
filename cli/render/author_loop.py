"""The author's loop as text for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from ...authoring.author_loop import AuthorLoop

_VERDICT = {False: "no", None: "unreadable"}


def loop_text(found: AuthorLoop) -> RenderableType:
    """Draft, one row per principle, and the revision with the line of its principle."""
    table = Table("principle", "broken?", "the critic's reason", expand=True)
    for principle, result in found.critiques:
        verdict = _VERDICT.get(result.breaks, f"yes ({result.severity})")
        table.add_row(principle.id, verdict, escape(result.reason or result.text))
    provenance = found.applied.provenance
    title = f"revision under {found.applied.id} ({provenance.file}:{provenance.line})"
    return Group(
        Panel(escape(found.draft), title="draft", title_align="left"),
        table,
        Panel(escape(found.revision), title=title, title_align="left"),
    )
