"""What a model proposed and what became of it, for the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from .refine import Refinement


def proposals_text(found: Refinement) -> RenderableType:
    """Each proposal below the author's sentence, with its fate."""
    lines: list[Text] = []
    before = ("", "")
    for proposal in found.proposals:
        if (proposal.principle, proposal.field) != before:
            before = (proposal.principle, proposal.field)
            lines.append(Text(f"{proposal.principle}, {proposal.field}: {proposal.old}"))
        lines.append(Text(f"  [{proposal.reason or 'kept'}] {proposal.new}"))
    return Group(*lines)


def refinement_text(found: Refinement, out: Path | None) -> RenderableType:
    """Counts, reasons, and what to do with the patch."""
    kept, total = len(found.kept), len(found.proposals)
    lines = [Text(f"{total} proposals, {kept} kept.")]
    for reason, count in sorted(found.dropped.items(), key=lambda item: (-item[1], item[0])):
        lines.append(Text(f"  dropped {count}: {reason}"))
    if found.patch:
        where = f"git apply {out}" if out else "save the patch, then git apply"
        lines.append(Text(f"Read it first; it is a proposal. To take it over: {where}"))
    else:
        lines.append(
            Text("No patch: this model proposed nothing worth reading. A larger one may do it.")
        )
    return Group(*lines)
