"""What a model proposed and what became of it, for the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from ...authoring.refine import Refinement


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


def refinement_text(found: Refinement, out: Path | None, source: Path) -> RenderableType:
    """Counts, reasons, and what to do with the patch.

    Args:
        found: What came of it.
        out: Where the patch was written; None if it was printed.
        source: The archetype file or folder.
    """
    kept, total = len(found.kept), len(found.proposals)
    lines = [Text(f"{total} proposals, {kept} kept.")]
    for reason, count in sorted(found.dropped.items(), key=lambda item: (-item[1], item[0])):
        lines.append(Text(f"  dropped {count}: {reason}"))
    if found.patch:
        here = source.resolve().is_relative_to(Path.cwd())
        file = "PATCH" if out is None else str(out if here else out.resolve())
        take = f"git apply {file}" if here else f"cd / && git apply {file}"
        lines.append(Text(f"Read it first; it is a proposal. To take it over: {take}"))
    else:
        lines.append(
            Text("No patch: this model proposed nothing worth reading. A larger one may do it.")
        )
    return Group(*lines)
