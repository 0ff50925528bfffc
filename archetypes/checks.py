"""Checks that need more than one field or file: vocabularies, references, poles, openings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from ..errors import Problem
from ..files.sentences import nearest
from ..files.validation import suggestion
from ..files.yaml_document import Location, YamlDocument
from .reference import FILE as REFERENCES
from .reference import Reference
from .schema import ANY_MODE, Archetype
from .vocabulary import load_cues, load_failure_modes

GAP = "..."
Finding = tuple[str, Location, str, str]
"""Code, location, message, fix."""


def check_archetype(
    archetype: Archetype, document: YamlDocument, known_ids: Collection[str]
) -> list[Problem]:
    """Everything wrong with one valid file that its own schema cannot see."""
    findings = [
        *_modes(archetype),
        *_cues(archetype),
        *_principles(archetype),
        *_openings(archetype),
        *_evidence(archetype),
        *_counterweights(archetype, known_ids),
    ]
    for index, principle in enumerate(archetype.principles):
        where = ("principles", index, "cues")
        if not principle.cues and where in document.lines:
            fix = (
                "name a cue of this archetype, or leave the line out: then all of them switch it on"
            )
            findings.append(("A006", where, f"the cues of `{principle.id}` are an empty list", fix))
    path = str(document.path)
    return without_followers(
        [
            Problem(code, "error", path, document.line(location), message, fix)
            for code, location, message, fix in findings
        ]
    )


_FOLLOWERS = {
    "A010": ("A012", "A015", "L006"),
    "A013": ("L007",),
    "A016": ("A017", "L012"),
    "L016": ("L006",),
    "A028": ("L010",),
}
"""Code -> what is often said of the same file only because of it."""


def without_followers(problems: Sequence[Problem]) -> list[Problem]:
    """One cause, one problem: what a misspelt name makes of a file's other parts is left out."""
    causes = {(problem.file, problem.code) for problem in problems}
    return [
        problem
        for problem in problems
        if not any(
            problem.code in followers and (problem.file, cause) in causes
            for cause, followers in _FOLLOWERS.items()
        )
        or (problem.code == "A015" and not problem.message.startswith("no openings"))
    ]


def _modes(archetype: Archetype) -> Iterator[Finding]:
    known = load_failure_modes()
    declared = [entry.mode for entry in archetype.ai_failure_modes]
    named: list[tuple[Location, str]] = []
    for index, mode in enumerate(declared):
        at: Location = ("ai_failure_modes", index, "mode")
        if mode not in known:
            yield "A010", at, f"unknown failure mode `{mode}`", suggestion(mode, known)
        if mode in declared[:index]:
            yield "A011", at, f"failure mode `{mode}` is declared twice", "keep one pole for it"
    named += [
        (("principles", i, "failure_mode"), p.failure_mode)
        for i, p in enumerate(archetype.principles)
    ]
    named += [
        (("exemplars", i, "failure_mode"), e.failure_mode)
        for i, e in enumerate(archetype.exemplars)
    ]
    named += [
        (("evaluation", i, "failure_mode"), e.failure_mode)
        for i, e in enumerate(archetype.evaluation)
    ]
    named += [(("openings", "integrated", mode), mode) for mode in archetype.openings.integrated]
    meant = {nearest(mode, known) for mode in declared if mode not in known}
    for at, mode in named:
        if mode not in declared and mode not in meant:
            message = f"failure mode `{mode}` is not among this archetype's ai_failure_modes"
            yield "A010", at, message, suggestion(mode, declared)
    asymmetry = archetype.error_asymmetry
    if asymmetry and asymmetry.predicts not in known:
        fix = suggestion(asymmetry.predicts, known)
        where = ("error_asymmetry", "predicts")
        yield "A010", where, f"unknown failure mode `{asymmetry.predicts}`", fix
    for index, mode in enumerate(declared):
        at = ("ai_failure_modes", index)
        if not any(principle.failure_mode == mode for principle in archetype.principles):
            yield "A012", at, f"no principle guards against `{mode}`", "write one, or drop the mode"
        if not any(entry.failure_mode == mode for entry in archetype.evaluation):
            yield "A012", at, f"no evaluation measures `{mode}`", "add one under `evaluation:`"


def _cues(archetype: Archetype) -> Iterator[Finding]:
    known = load_cues()
    for index, cue in enumerate(archetype.cues):
        if cue not in known:
            yield "A013", ("cues", index), f"unknown cue `{cue}`", suggestion(cue, known)
        if cue in archetype.cues[:index]:
            yield "A013", ("cues", index), f"cue `{cue}` is given twice", "remove one"
    for number, principle in enumerate(archetype.principles):
        for index, cue in enumerate(principle.cues):
            if cue not in archetype.cues:
                at = ("principles", number, "cues", index)
                message = f"cue `{cue}` is not among this archetype's cues"
                yield "A013", at, message, suggestion(cue, archetype.cues)


def _principles(archetype: Archetype) -> Iterator[Finding]:
    count = Counter(principle.id for principle in archetype.principles)
    seen: set[str] = set()
    for index, principle in enumerate(archetype.principles):
        if count[principle.id] > 1 and principle.id in seen:
            at = ("principles", index, "id")
            yield "A014", at, f"duplicate principle id `{principle.id}`", "give each its own id"
        seen.add(principle.id)


def _openings(archetype: Archetype) -> Iterator[Finding]:
    openings = archetype.openings
    for pole in ("excess", "deficit"):
        own = {entry.mode for entry in archetype.ai_failure_modes if entry.pole == pole}
        lists = openings.excess if pole == "excess" else openings.deficit
        for mode, texts in lists.items():
            if mode != ANY_MODE and mode not in own:
                fix = suggestion(mode, own)
                yield "A015", ("openings", pole, mode), f"`{mode}` is no mode of this pole", fix
            for index, text in enumerate(texts):
                if GAP in text:
                    at = ("openings", pole, mode, index)
                    yield "A015", at, f"a failing opening has a gap: {text!r}", "remove the `...`"
        for mode in sorted(own):
            if not openings.failing(mode, "excess" if pole == "excess" else "deficit"):
                message = f"no openings for failing answers that show `{mode}`"
                yield "A015", ("openings", pole), message, f"add a list under `{pole}.{mode}:`"
    for entry in archetype.ai_failure_modes:
        if entry.mode not in openings.integrated:
            message = f"no openings for good answers that avoid `{entry.mode}`"
            fix = f"add `{entry.mode}:` with at least 5"
            yield "A015", ("openings", "integrated"), message, fix
    good: list[tuple[Location, tuple[str, ...]]] = [
        (("openings", "integrated", mode), texts) for mode, texts in openings.integrated.items()
    ]
    good += [
        (("principles", number, "openings"), principle.openings or ())
        for number, principle in enumerate(archetype.principles)
    ]
    for place, texts in good:
        for index, text in enumerate(texts):
            # The model's own words in every answer: a fixed text would be trained by rote.
            if not re.search(r"(^|\s)\.\.\.(\s|$)", text):
                fix = "end it with a space and `...`, where the model goes on"
                message = f"a good opening has no gap for the model to write in: {text!r}"
                yield "A015", (*place, index), message, fix


def _evidence(archetype: Archetype) -> Iterator[Finding]:
    known = archetype.source.works
    fields = set(Archetype.model_fields)
    resolving: set[str] = set()
    for index, item in enumerate(archetype.evidence):
        if item.ref not in known:
            at: Location = ("evidence", index, "ref")
            yield "A016", at, f"unresolved reference `{item.ref}`", _add(item.ref, known)
            continue
        resolving.add(item.ref)
        if item.supports not in fields:
            at = ("evidence", index, "supports")
            yield "A016", at, f"no field `{item.supports}`", suggestion(item.supports, fields)
    for index, ref in enumerate(archetype.contested_by):
        if ref not in known:
            at = ("contested_by", index)
            yield "A016", at, f"unresolved reference `{ref}`", _add(ref, known)
    if len(resolving) < 2:
        message = f"{len(resolving)} resolving reference(s); at least 2 are needed"
        yield (
            "A017",
            ("evidence",),
            message,
            f"cite works of `anlage show references`, or of a {REFERENCES} beside this file",
        )
    if not any(e.supports == "evolved_mechanism" and e.ref in known for e in archetype.evidence):
        message = "no reference supports `evolved_mechanism`"
        yield "A017", ("evidence",), message, "cite one that describes the mechanism"


def _add(ref: str, known: Mapping[str, Reference]) -> str:
    """Shipped works are few: an author's own stand in a file beside the archetype.

    A work of another year is another work, so its title is shown and it is not proposed.
    """
    own = f"add the work to {REFERENCES} beside this file"
    name = ref.rstrip("0123456789abcdef") if ref[-1:].isdigit() else ref
    near = nearest(ref, known)
    others = sorted(key for key in known if name and key.startswith(name) and key[len(name) :])
    years = [key for key in others if key[len(name) :].isdigit()]
    if years:
        titles = "; ".join(f"`{key}` is {known[key].cite}" for key in years[:3])
        return f"if that is the work, write its key: {titles} Or {own}"
    if near and near[-4:] == ref[-4:]:
        return f"did you mean `{near}` ({known[near].cite})? Or {own}"
    return f"{own}; `anlage show references` lists those there are"


def _counterweights(archetype: Archetype, known_ids: Collection[str]) -> Iterator[Finding]:
    for index, other in enumerate(archetype.counterweights):
        at = ("counterweights", index)
        if other == archetype.id:
            yield "A018", at, "an archetype cannot check itself", "name another one"
        elif other not in known_ids:
            others = set(known_ids) - {archetype.id}
            yield "A018", at, f"unknown counterweight `{other}`", suggestion(other, others)
