"""A trace as text for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from ...inspection.trace import Trace, TracedCall


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
