"""Finds principles that contradict each other without an order of precedence between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...errors import Problem
from ..loader import Reading
from ..precedence import precedence
from ..schema import Archetype, AuthoredPrinciple
from ..vocabulary import load_failure_modes


def contradictions(readings: Sequence[Reading]) -> list[Problem]:
    """Pairs of archetypes whose principles guard against opposite failures on a shared cue.

    Only archetypes that stand on one level of precedence without naming each
    other as counterweight: the others have an order, or are meant to pull apart.
    Reported once for each two archetypes, at the later one's principle. Whether
    two principles contradict in what they say is not read.
    """
    problems: list[Problem] = []
    whole = [reading for reading in readings if reading.archetype and reading.document]
    levels = precedence({r.archetype.id: r.archetype.counterweights for r in whole if r.archetype})
    for number, reading in enumerate(whole):
        for other in whole[:number]:
            mine, theirs = reading.archetype, other.archetype
            if mine is None or theirs is None or reading.document is None:
                continue
            if mine.id in theirs.counterweights or theirs.id in mine.counterweights:
                continue
            if levels[mine.id] != levels[theirs.id]:
                continue
            found = next(_opposed(mine, theirs), None)
            if found is None:
                continue
            index, principle, rival, cues = found
            message = (
                f"guards against `{principle.failure_mode}`, {theirs.id}/{rival.id} against its "
                f"opposite, on the same cues ({', '.join(sorted(cues))}); neither has precedence"
            )
            fix = f"name `{theirs.id}` under `counterweights`, or switch them on by different cues"
            line = reading.document.line(("principles", index, "id"))
            problems.append(Problem("L014", "warning", str(reading.path), line, message, fix))
    return problems


def _opposed(
    mine: Archetype, theirs: Archetype
) -> Iterator[tuple[int, AuthoredPrinciple, AuthoredPrinciple, set[str]]]:
    modes = load_failure_modes()
    for index, principle in enumerate(mine.principles):
        for rival in theirs.principles:
            one, other = principle.failure_mode, rival.failure_mode
            if one not in modes or other not in modes:
                continue
            if modes[one].opposite != other or modes[other].opposite != one:
                continue
            cues = set(principle.cues or mine.cues) & set(rival.cues or theirs.cues)
            if cues:
                yield index, principle, rival, cues
