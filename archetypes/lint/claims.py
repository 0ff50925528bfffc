"""Checks three kinds of claims: from evolution to value, about groups of people, by citation."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Severity
from ...files.yaml_document import Location, walk_text
from ..schema import Archetype
from .stereotype import stereotype
from .wording import asserts_evolved_is_good

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
