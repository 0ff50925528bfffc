"""Compiles archetype files into a constitution: checks, fills templates, orders, hashes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from string import Template

from ..archetypes.lint.objections import file_objections
from ..archetypes.loader import LIBRARY, read_archetypes, select_archetypes
from ..archetypes.precedence import precedence
from ..archetypes.schema import Archetype, AuthoredPrinciple
from ..errors import ArchetypeError
from .principle import Constitution, Openings, Principle, Provenance


def compile_constitution(
    path: str | Path = LIBRARY, *, only: Sequence[str] | None = None
) -> Constitution:
    """Compiles archetype files into a constitution.

    Pure and deterministic: the same files give the same constitution on any
    machine. Principles stand in order of precedence (see `precedence`), then id.

    Args:
        path: Folder of archetype files, or one file; the shipped library by default.
        only: Ids of the archetypes to take; None for all. Counterweights that are
            left out do not count for precedence.

    Raises:
        ArchetypeError: Anything wrong with any file, all problems at once; also
            what the linter calls an error, such as a principle without behaviour.

    Example:
        >>> constitution = compile_constitution(only=["guardian"])
        >>> constitution.get("guardian/proportionate-refusal").failure_mode
        'harmful_compliance'
    """
    readings, problems = read_archetypes(path)
    problems += [problem for problem in file_objections(readings) if problem.severity == "error"]
    if problems:
        raise ArchetypeError(problems)
    return constitution_of(select_archetypes(readings, path, only))


def constitution_of(archetypes: Sequence[Archetype]) -> Constitution:
    """Compiles archetypes already loaded; their order does not matter."""
    levels = precedence({a.id: a.counterweights for a in archetypes})
    principles = [
        _principle(archetype, authored, levels[archetype.id])
        for archetype in archetypes
        for authored in archetype.principles
    ]
    principles.sort(key=lambda principle: (principle.precedence, principle.id))
    sources = {a.id: a.source.sha256 for a in sorted(archetypes, key=lambda a: a.id)}
    return Constitution(principles=tuple(principles), sources=sources)


def _principle(archetype: Archetype, authored: AuthoredPrinciple, level: int) -> Principle:
    mode = authored.failure_mode
    pole = archetype.pole_of(mode)
    critique, revise, compare = request_texts(authored)
    return Principle(
        id=f"{archetype.id}/{authored.id}",
        archetype=archetype.id,
        failure_mode=mode,
        pole=pole,
        situation=authored.situation,
        statement=authored.statement,
        negative=authored.negative,
        critique=critique,
        revise=revise,
        compare=compare,
        cues=authored.cues or archetype.cues,
        openings=Openings(
            failing=archetype.openings.failing(mode, pole),
            good=authored.openings or archetype.openings.integrated[mode],
        ),
        weight=float(authored.weight),
        precedence=level,
        provenance=Provenance(
            file=archetype.source.file,
            line=archetype.source.principle_lines[authored.id],
            references=tuple(dict.fromkeys(item.ref for item in archetype.evidence)),
        ),
    )


TEMPLATES = Path(__file__).with_name("templates")


@cache
def _template(name: str) -> Template:
    return Template((TEMPLATES / f"{name}.md").read_text(encoding="utf-8").strip())


def request_texts(principle: AuthoredPrinciple) -> tuple[str, str, str]:
    """Critique, revision and comparison request of one principle.

    A text the author wrote is taken as it stands. Substitution is one pass, so a
    `$` in an author's sentence stays what it is.
    """
    values = {
        "situation": principle.situation.rstrip("."),
        "statement": principle.statement,
        "negative": principle.negative,
    }
    own = (principle.critique, principle.revise, principle.compare)
    critique, revise, compare = (
        text if text is not None else _template(name).substitute(values)
        for name, text in zip(("critique", "revise", "compare"), own, strict=True)
    )
    return critique, revise, compare
