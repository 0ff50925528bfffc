"""One archetype, or one principle, laid out for reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...archetypes.reference import Reference, load_references, references_beside
from ...archetypes.schema import Archetype
from ...archetypes.vocabulary import load_cues, load_failure_modes
from ...constitution.principle import Principle

STATUS = {
    "V": "title and DOI, ISBN or URL seen",
    "T": "title seen, DOI from memory",
    "A": "arXiv id seen",
    "M": "from memory, not looked up",
}


def archetype_card(archetype: Archetype, principles: Iterable[Principle]) -> RenderableType:
    """Motive, poles, failure modes, principles with file and line, and evidence in full."""
    modes, works = load_failure_modes(), archetype.source.works
    parts: list[RenderableType] = [
        Text(f"{archetype.name} ({archetype.id}), version {archetype.version}", style="bold"),
        *_part("Adaptive problem", [archetype.adaptive_problem]),
        *_part("Motive", [_motive(archetype)]),
        *_part("What it bought", [archetype.ancestral_function]),
        *_part("Mechanism", [archetype.evolved_mechanism]),
        *_part("At its best (our norm, not nature's)", archetype.prosocial_expression),
        *_part("Too much of it (excess)", archetype.shadow.excess),
        *_part("Too little of it (deficit)", archetype.shadow.deficit),
    ]
    failures = [
        f"{entry.mode} (from its {entry.pole}): {modes[entry.mode].meaning}"
        for entry in archetype.ai_failure_modes
    ]
    parts += _part(f"Failure modes ({archetype.mapping_status})", failures)
    parts += _part("Checked by", [", ".join(archetype.counterweights)])
    own = [
        f"{p.id}  {p.provenance.file}:{p.provenance.line}\n"
        f"guards against {p.failure_mode} when {p.situation}\n{p.statement}"
        for p in principles
    ]
    parts += _part("Principles", own)
    evidence = [
        f"{_citation(item.ref, works)}\n  supports {item.supports} ({item.kind})"
        for item in archetype.evidence
    ]
    parts += _part(f"Evidence ({archetype.evidence_level})", evidence)
    parts += _part("Contested by", [_citation(ref, works) for ref in archetype.contested_by])
    return Group(*parts)


def principle_card(principle: Principle, works: Mapping[str, Reference]) -> RenderableType:
    """The rule, the three requests a model is shown, its openings and its precedence."""
    meaning = load_cues()
    place = principle.provenance
    modes = load_failure_modes()
    failure = f"{principle.failure_mode}: {modes[principle.failure_mode].meaning}"
    order = "0 is consulted first; it follows from counterweights"
    return Group(
        Text(f"{principle.id}  {place.file}:{place.line}", style="bold"),
        *_part("When", [principle.situation]),
        *_part("Do", [principle.statement]),
        *_part("Don't", [principle.negative]),
        *_part("Guards against", [f"{failure} (from the {principle.pole} of the motive)"]),
        *_part(
            "Precedence and weight", [f"{principle.precedence} ({order}), {principle.weight:g}"]
        ),
        *_part("Switched on by", [f"{cue}: {meaning[cue]}" for cue in principle.cues]),
        *_part("Critique request", [principle.critique]),
        *_part("Revision request", [principle.revise]),
        *_part("Comparison request", [principle.compare]),
        *_part("A good answer begins", principle.openings.good),
        *_part("A failing answer begins", principle.openings.failing),
        *_part("References", [_citation(ref, works) for ref in place.references]),
    )


def _motive(archetype: Archetype) -> str:
    parts = [archetype.motive_system.replace("_", " ")]
    if archetype.cooperation_domain:
        parts.append(f"cooperation: {', '.join(archetype.cooperation_domain)}")
    if archetype.moral_foundations:
        parts.append(f"moral foundations: {', '.join(archetype.moral_foundations)}")
    return "; ".join(parts)


def _citation(key: str, works: Mapping[str, Reference]) -> str:
    found = works.get(key)
    return f"{key}: {citation(found)}" if found else key


def citation(work: Reference) -> str:
    """A work with its link and how well it was checked."""
    link = f" https://doi.org/{work.doi}" if work.doi else f" {work.url}" if work.url else ""
    book = f" ISBN {work.isbn}" if work.isbn else ""
    return f"{work.cite}{link}{book} [{work.status}: {STATUS[work.status]}]"


def _part(title: str, lines: Iterable[str]) -> list[RenderableType]:
    texts = [Text(line) for line in lines]
    if not texts:
        return []
    return [Text(f"\n{title}", style="cyan"), *(Padding(text, (0, 0, 0, 2)) for text in texts)]


VOCABULARIES = ("cues", "failure_modes", "references")


def vocabulary_card(name: str, folder: Path | None = None) -> RenderableType:
    """Every key of one of `VOCABULARIES` with its meaning, or with the whole citation."""
    if name == "cues":
        entries = dict(load_cues())
    elif name == "references":
        works = references_beside(folder) if folder else load_references()
        entries = {key: citation(work) for key, work in works.items()}
    else:
        entries = {
            mode.id: f"{mode.meaning} Opposite: {mode.opposite}."
            for mode in load_failure_modes().values()
        }
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for key, meaning in entries.items():
        table.add_row(key, Text(meaning))
    return table
