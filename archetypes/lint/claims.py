"""Checks claims (from evolution to value, about groups, by citation) and contradictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...errors import Problem, Severity
from ...files.yaml_document import Location, walk_text
from ..loader import Reading
from ..precedence import precedence
from ..schema import Archetype, AuthoredPrinciple
from ..vocabulary import load_failure_modes
from .wording import asserts_evolved_is_good, stereotype

Finding = tuple[str, Severity, Location, str, str]
"""Code, severity, location in the file, message, fix."""


def claims(data: object) -> Iterator[Finding]:
    """Claims in an archetype's own voice; what failing answers and users say is left out."""
    for at, text in walk_text(data):
        if at and at[0] != "exemplars" and asserts_evolved_is_good(text):
            message = f"says that something is good because it evolved: {text[:80]!r}"
            fix = "evolved is not good: give a reason of its own, or leave the claim out"
            yield "L001", "error", at, message, fix
        if not _shows_failure(at):
            phrase = stereotype(text)
            if phrase:
                message = f"says what a group of people is like: {phrase!r}"
                fix = "say what a person does in the situation, whoever they are"
                yield "L015", "error", at, message, fix


def _shows_failure(at: Location) -> bool:
    """True where a text quotes a failing answer or a user, whose words are not the author's."""
    if not at:
        return False
    if at[0] == "exemplars":
        return at[-1] != "good"
    return at[0] == "shadow" or at[-1] == "negative" or at[:2] in _FAILING


_FAILING = {("openings", "excess"), ("openings", "deficit")}


def references(archetype: Archetype) -> Iterator[Finding]:
    """Sources from memory, critics that are none, and contested works without their critics."""
    known = archetype.source.works
    critics: dict[str, list[str]] = {}
    for key, reference in known.items():
        for work in reference.contests:
            critics.setdefault(work, []).append(key)
    for index, item in enumerate(archetype.evidence):
        at: Location = ("evidence", index, "ref")
        if item.ref in known and known[item.ref].status == "M":
            message = f"`{item.ref}` was cited from memory and never looked up"
            yield "L009", "warning", at, message, "find the work, or cite another one"
        against = critics.get(item.ref, [])
        if against and not set(against) & set(archetype.contested_by):
            message = f"`{item.ref}` is contested, and `contested_by` names none of its critics"
            fix = f"add to `contested_by`: {' or '.join(against)}"
            yield "L012", "error", at, message, fix
    if archetype.evidence_level == "speculative" and not archetype.contested_by:
        message = "speculative evidence, and `contested_by` names nobody who doubts it"
        doubters = ", ".join(key for key, work in known.items() if work.role == "critique")
        fix = f"add a work with `role: critique` to `contested_by`: {doubters}"
        yield "L012", "error", ("evidence_level",), message, fix
    for index, ref in enumerate(archetype.contested_by):
        if ref in known and known[ref].role != "critique":
            message = f"`{ref}` is not listed as a critique"
            fix = "cite it under `evidence`, or mark it `role: critique` in references.yaml"
            yield "L009", "warning", ("contested_by", index), message, fix


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
