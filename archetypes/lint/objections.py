"""Collects all objections to the content of archetype files that the loader accepts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import Problem, Severity
from ...files.yaml_document import Location
from ..loader import LIBRARY, Reading, read_archetypes
from ..schema import Archetype
from .answer_label import mislabelled
from .claims import Finding, claims, contradictions, references
from .wording import content_words, jaccard, trait_only, vague

MIN_EXEMPLARS = 4
"""Labelled pairs wanted per failure mode and role."""
MANY_EXEMPLARS = 12
"""From here on it is told when length gives the good answers away."""
LONGER = (0.25, 0.75)
"""Share of exemplars whose good answer may be the longer one, both ends included."""
NEAR_DUPLICATE = 0.6
"""Share of content words two principles may have in common (Jaccard)."""


def lint_archetypes(path: Path | str = LIBRARY) -> list[Problem]:
    """Every problem of a folder or file: errors of the loader first, then objections.

    Objections: claims that something is good because it evolved, generalisations
    about groups of people, contested sources without their critics, principles that
    name a trait or a vague wish and no behaviour, principles that contradict each
    other without precedence, near-duplicate principles or openings, sources cited
    from memory, critics listed that are none, exemplars that are too few, do not
    differ, are told apart by length or stand under the wrong label, cues no
    principle uses. `anlage lint
    --explain CODE` explains each. Not covered: whether a claim is true, and
    whether a cited work says what it is cited for.

    Returns:
        Problems sorted by file, line and code; empty where there is nothing to say.
    """
    readings, problems = read_archetypes(path)
    problems += objections(readings)
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.code))


def objections(readings: Sequence[Reading]) -> list[Problem]:
    """What the linter adds to the loader's problems, for the files that validate."""
    principles = [
        (reading, index, content_words(f"{principle.situation} {principle.statement}"))
        for reading in readings
        if reading.archetype
        for index, principle in enumerate(reading.archetype.principles)
    ]
    problems = file_objections(readings) + _near_duplicates(principles)
    return problems + contradictions(readings)


def file_objections(readings: Sequence[Reading]) -> list[Problem]:
    """The objections to each file by itself: all that can be errors.

    What compares files with each other only warns, and takes time that grows
    with the square of their number.
    """
    problems: list[Problem] = []
    for reading in readings:
        archetype, document = reading.archetype, reading.document
        if archetype is None or document is None:
            continue
        findings = [
            *claims(document.data),
            *_principles(archetype),
            *_exemplars(archetype),
            *_labels(archetype),
            *_cues(archetype),
            *_openings(archetype),
            *_gaps(archetype),
            *references(archetype),
        ]
        shipped = (LIBRARY / f"{archetype.id}.yaml").exists()
        if shipped and reading.path.stem != archetype.id:
            message = f"`{archetype.id}` is the id of an archetype of the library"
            fix = f"choose another id of its own, such as {reading.path.stem}"
            findings.append(("A028", "error", ("id",), message, fix))
        elif reading.path.stem != archetype.id:
            fix = f"name it {archetype.id}.yaml"
            findings.append(("L010", "warning", ("id",), "file and id differ", fix))
        problems += [
            Problem(code, severity, str(reading.path), document.line(at), message, fix)
            for code, severity, at, message, fix in findings
        ]
    return problems


def _principles(archetype: Archetype) -> Iterator[Finding]:
    for index, principle in enumerate(archetype.principles):
        reason = trait_only(principle.statement)
        if reason:
            at: Location = ("principles", index, "statement")
            fix = "say what the answer does: first sentence, content, what is offered"
            yield "L002", "error", at, f"names no behaviour ({reason})", fix
        for part, text in (("statement", principle.statement), ("negative", principle.negative)):
            phrase = vague(text)
            if phrase:
                message = f"{phrase!r} leaves open what the answer does"
                fix = "say when, and what the answer then says or leaves out"
                yield "L013", "warning", ("principles", index, part), message, fix
        if content_words(principle.statement) == content_words(principle.negative):
            at = ("principles", index, "negative")
            yield "L003", "error", at, "statement and negative say the same", "write the don't"
        if principle.situation.endswith("."):
            at = ("principles", index, "situation")
            fix = "write a clause that can follow `when`, without a full stop"
            yield "L004", "warning", at, "the situation is a sentence", fix


def _exemplars(archetype: Archetype) -> Iterator[Finding]:
    prompts: dict[str, int] = {}
    for index, item in enumerate(archetype.exemplars):
        if _plain(item.good) == _plain(item.failing):
            fix = "write a failing answer that shows the failure"
            at: Location = ("exemplars", index, "failing")
            yield "L005", "error", at, "good and failing answer are the same", fix
        first = prompts.setdefault(_plain(item.prompt), index)
        if first != index:
            at = ("exemplars", index, "prompt")
            yield "L005", "error", at, f"the prompt of exemplar {first + 1} again", "write another"
    items = archetype.exemplars
    longer = sum(len(item.good) > len(item.failing) for item in items)
    if len(items) >= MANY_EXEMPLARS and not LONGER[0] <= longer / len(items) <= LONGER[1]:
        message = f"the good answer is the longer one in {longer} of {len(items)} exemplars"
        fix = "lengthen the one or shorten the other, so that length does not give it away"
        yield "L017", "warning", ("exemplars",), message, fix
    count = Counter((item.failure_mode, item.role) for item in archetype.exemplars)
    for number, entry in enumerate(archetype.ai_failure_modes):
        for role in ("at_risk", "twin"):
            got = count[(entry.mode, role)]
            if got < MIN_EXEMPLARS:
                message = f"{got} exemplar(s) for {entry.mode}, {role}; {MIN_EXEMPLARS} are wanted"
                fix = f"write {MIN_EXEMPLARS - got} more: a critic cannot be measured here without"
                yield "L006", "warning", ("ai_failure_modes", number), message, fix


def _labels(archetype: Archetype) -> Iterator[Finding]:
    for index, item in enumerate(archetype.exemplars):
        found = list(mislabelled(item.failure_mode, item.role, item.good, item.failing))
        severity: Severity = "error" if len(found) == 2 else "warning"
        for side, what in found:
            message = f"the {side} answer of this {item.failure_mode} exemplar ({item.role}) {what}"
            other = "twin" if item.role == "at_risk" else "at_risk"
            fix = f"swap good and failing, set the role to {other}, or reword the answer"
            yield "L016", severity, ("exemplars", index, side), message, fix


def _cues(archetype: Archetype) -> Iterator[Finding]:
    if any(not principle.cues for principle in archetype.principles):
        return  # such a principle uses them all
    used = {cue for principle in archetype.principles for cue in principle.cues}
    for index, cue in enumerate(archetype.cues):
        if cue not in used:
            message = f"no principle is switched on by cue `{cue}`"
            fix = "give it to a principle, or remove it"
            yield "L007", "warning", ("cues", index), message, fix


def _openings(archetype: Archetype) -> Iterator[Finding]:
    places: list[tuple[Location, tuple[str, ...]]] = []
    groups = (archetype.openings.excess, archetype.openings.deficit, archetype.openings.integrated)
    for pole, lists in zip(("excess", "deficit", "integrated"), groups, strict=True):
        places += [(("openings", pole, mode), texts) for mode, texts in lists.items()]
    seen: set[str] = set()
    for place, texts in places:
        for index, text in enumerate(texts):
            if _plain(text) in seen:
                fix = "vary the wording: a model learns one phrase too well"
                yield "L008", "warning", (*place, index), f"opening repeated: {text!r}", fix
            seen.add(_plain(text))


def _gaps(archetype: Archetype) -> Iterator[Finding]:
    """A gap before the end holds one whole sentence, so a sentence must follow it."""
    places: list[tuple[Location, tuple[str, ...]]] = [
        (("openings", "integrated", mode), texts)
        for mode, texts in archetype.openings.integrated.items()
    ]
    places += [
        (("principles", number, "openings"), principle.openings or ())
        for number, principle in enumerate(archetype.principles)
    ]
    for place, texts in places:
        for index, text in enumerate(texts):
            for after in re.split(r"\.\.\.|…", text)[1:]:
                first = re.search(r"\w", after)
                if first and first.group().islower():
                    message = (
                        f"what follows a gap begins no sentence: {after.strip()!r} in {text!r}"
                    )
                    fix = "begin it with a capital: the model fills the gap with a whole sentence"
                    yield "L018", "warning", (*place, index), message, fix


def _near_duplicates(principles: list[tuple[Reading, int, set[str]]]) -> list[Problem]:
    problems = []
    for number, (reading, index, words) in enumerate(principles):
        for other, place, theirs in principles[:number]:
            share = jaccard(words, theirs)
            if share < NEAR_DUPLICATE or not (reading.document and other.document):
                continue
            line = reading.document.line(("principles", index, "id"))
            first = f"{other.path.name}:{other.document.line(('principles', place, 'id'))}"
            message = f"shares {share:.0%} of its content words with the principle at {first}"
            fix = "merge them, or say what is different"
            problems.append(Problem("L011", "warning", str(reading.path), line, message, fix))
            break
    return problems


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
