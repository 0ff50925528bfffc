"""What authors look at in the terminal: loop, coverage, diff, pilot, proposals, one pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ...authoring.coverage import SPLITS, Coverage

if TYPE_CHECKING:
    from ...authoring.diff import PrincipleChange
    from ...authoring.pilot import Advice, AuthorLoop, PilotRow
    from ...authoring.refine import Refinement
    from ...inspection.trace import Trace, TracedCall

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


def coverage_text(found: Coverage) -> RenderableType:
    """Failure modes with their guards and counts, domains, motives, and what is missing."""
    from ...evaluation.wording import percent  # slow to load, and only this needs it

    table = Table(title=f"{len(found.archetypes)} archetypes, {len(found.modes)} failure modes")
    table.add_column("failure mode")
    table.add_column("principles", justify="right")
    table.add_column("guarded by")
    for name in (*SPLITS, "labelled", "checked", "precision", "recall"):
        table.add_column(name, justify="right")
    for mode in found.modes:
        guards = ", ".join(f"{name} {count}" for name, count in mode.principles.items()) or "-"
        counts = [*(str(mode.twins[split]) for split in SPLITS), str(mode.labelled)]
        counts.append("/".join(str(mode.checked[split]) for split in SPLITS))
        for rate in (mode.precision, mode.recall):
            counts.append("-" if rate is None else f"{percent(rate.value)} of {rate.n}")
        style = "red" if mode.gaps else ""
        total = str(sum(mode.principles.values()))
        table.add_row(mode.mode, total, guards, *counts, style=style)
    parts: list[RenderableType] = [
        table,
        Text(
            "Principles, twin pairs of prompts per split, labelled answer pairs, twin pairs with "
            "checks (train/dev/test), and how often the checks find failing answers: precision and "
            "recall on labelled answers (-: not measured).\n"
        ),
        _groups("domain of cooperation", found.domains),
        _groups("motive", found.motives),
    ]
    parts += [Text(f"{mode}: {'; '.join(gaps)}", style="red") for mode, gaps in found.gaps.items()]
    if not found.gaps:
        parts.append(Text("Every failure mode is guarded, prompted, probed and checked."))
    return Group(*parts)


def _groups(title: str, groups: Mapping[str, tuple[str, ...]]) -> Table:
    table = Table(title, "archetypes")
    for name, members in groups.items():
        table.add_row(name, ", ".join(members) or "-")
    return table


_SIGN = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def diff_text(changes: Sequence[PrincipleChange], old: str, new: str) -> RenderableType:
    """One line per principle, and under it each field: its line, the old and the new value."""
    if not changes:
        return Text(f"{old} and {new} compile to the same principles.")
    lines: list[Text] = []
    for change in changes:
        sign, colour = _SIGN[change.kind]
        lines.append(Text(f"{sign} {change.principle}  {change.file}:{change.line}", style=colour))
        for field in change.fields:
            lines.append(Text(f"    {field.field}  {field.file}:{field.line}"))
            lines += [Text(f"      - {field.old}")] if field.old else []
            lines += [Text(f"      + {field.new}")] if field.new else []
    counts = Counter[str](change.kind for change in changes)
    parts = [f"{counts[kind]} {kind}" for kind in _SIGN if counts[kind]]
    return Group(*lines, Text(", ".join(parts) + "."))


_MEANING: Final[dict[Advice, str]] = {
    "keep": "it decides, in both orders, and not like another",
    "merge": "another principle decides the same pairs alike: one of the two is enough",
    "rewrite": "the verdict turns with the order of the answers, or is wrong, on half of the pairs",
    "unused": "no training prompt calls for it",
    "too few pairs": "there are not enough labelled pairs of its failure mode",
}


def pilot_text(rows: Sequence[PilotRow], model: str) -> RenderableType:
    """One row per principle, then what the advice means and how often it was given."""
    table = Table(title=f"What {model} makes of each principle")
    table.add_column("principle", overflow="fold", min_width=26)
    for column in ("applies", "orders", "right", "ambig.", "alike"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("advice", overflow="fold")
    for row in rows:
        advice = f"merge with {row.twin}" if row.advice == "merge" else row.advice
        right = f"{row.right.successes}/{row.right.n}" if row.right.n else "-"
        table.add_row(
            row.principle,
            f"{row.reach:.1%}",
            f"{row.orders.successes}/{row.orders.n}",
            right,
            f"{row.ambiguity:.2f}",
            f"{row.alike:.2f}" if row.twin else "-",
            advice,
        )
    counts = Counter(row.advice for row in rows)
    lines = [f"{counts[name]} {name}: {_MEANING[name]}." for name in _MEANING if counts[name]]
    note = (
        "applies: share of the training prompts it is drawn for. orders: pairs on which both "
        "orders agree. right: decided pairs in which the good answer won. ambig.: 0 is sure, 1 a "
        "coin. alike: share of pairs with the verdict of the nearest other principle. "
        "Few pairs each: read it as a hint."
    )
    return Group(table, *(Text(line) for line in lines), Text(note, style="dim"))


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
    """Counts, reasons, and what to do with the patch."""
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


def trace_text(trace: Trace) -> RenderableType:
    """Archetype line -> principle -> prompt -> calls -> the two answers and their label."""
    pair = trace.pair
    parts: list[RenderableType] = [Text(f"pair {pair.id}", style="bold")]
    for traced in trace.principles:
        principle = traced.principle
        body = (
            f"{traced.file}:{traced.line}: {traced.text}\n"
            f"guards against {principle.failure_mode} ({principle.pole})\n"
            f"when: {principle.situation}\ndo: {principle.statement}\nnot: {principle.negative}\n"
            f"sources: {', '.join(principle.provenance.references)}"
        )
        parts.append(Panel(escape(body), title=f"principle {principle.id}", title_align="left"))
    asked = "\n".join(f"{message.role}: {message.content}" for message in pair.prompt)
    title = f"prompt {pair.prompt_id} ({pair.role})"
    parts.append(Panel(escape(asked), title=title, title_align="left"))
    parts += [_call(call) for call in trace.calls]
    label = (
        f"chosen:   {pair.chosen}\n\nrejected: {pair.rejected}\n\n"
        f"p(chosen better) {pair.p_chosen:.2f}, label by {pair.label}, weight {pair.weight:g}; "
        f"the rejected answer shows {pair.failure_mode}; builder {pair.builder}, "
        f"round {pair.round}"
    )
    parts.append(Panel(escape(label), title="label", title_align="left"))
    return Group(*parts)


def _call(call: TracedCall) -> Panel:
    title = f"{call.step} · call {call.key[:12]}"
    if call.request is None or call.completion is None:
        return Panel("(no longer in the call store)", title=title, title_align="left")
    prefill = call.request.prefill
    body = f"{prefill}▸{call.completion.text}" if prefill else call.completion.text
    note = "the answer was begun for the model up to ▸" if prefill else None
    return Panel(escape(body.strip()), title=title, title_align="left", subtitle=note)
