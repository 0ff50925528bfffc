"""Write: an archetype file with every problem beside its line and what it becomes beside it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from starlette.responses import JSONResponse, Response

from ..archetypes.lint.objections import objections
from ..archetypes.lint.wording import content_words, jaccard
from ..archetypes.loader import LIBRARY, Reading, read_archetypes
from ..archetypes.reference import FILE as REFERENCES
from ..archetypes.vocabulary import load_cues, load_failure_modes, opposite
from ..authoring.diff import PrincipleChange, diff, load_side
from ..authoring.lint import explain
from ..constitution.compiler import compile_constitution, constitution_of
from ..constitution.principle import Principle
from ..errors import ConfigurationError, Problem
from ..files.write import replacing
from .page import Asked, go_to, screen
from .place import NotThereError

_NEAR: Final = 0.2
"""Share of content words from which two principles are called near; the linter objects at 0.6."""
_ORDER: Final = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What can be said of a text while it is written.

    Attributes:
        problems: The linter's, errors first, then by line.
        principles: What it becomes, each with the nearest principle of the library
            (None: none is near); empty while it does not validate.
        missing: Failure modes that may follow from overdoing it and that it does not guard
            against itself -> archetypes of the library that do.
        changes: What differs from the saved file; None where one side does not validate.
    """

    problems: tuple[Problem, ...]
    principles: tuple[tuple[Principle, Principle | None], ...]
    missing: dict[str, tuple[str, ...]]
    changes: tuple[PrincipleChange, ...] | None


def review_text(saved: Path, text: str) -> Reviewed:
    """Lints and compiles a text as if it stood in the file; the file is not touched.

    What is compared with other files of the folder waits for `anlage lint`: it takes time
    that grows with their number.

    Args:
        saved: The file it is to be saved in; need not exist.
        text: The text.
    """
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / saved.name
        file.write_text(text, encoding="utf-8")
        beside = saved.with_name(REFERENCES)
        if beside.is_file():
            shutil.copyfile(beside, file.with_name(REFERENCES))
        readings, problems = read_archetypes(file)
        problems += objections(readings)
        changes = _changes(saved, file)
    siblings = {f"unknown counterweight `{other.stem}`" for other in saved.parent.glob("*.yaml")}
    found = [problem for problem in problems if problem.message not in siblings]
    found.sort(key=lambda problem: (_ORDER[problem.severity], problem.line, problem.code))
    broken = any(problem.severity == "error" for problem in found)
    return Reviewed(
        tuple(found), () if broken else _principles(readings), _missing(readings), changes
    )


def _principles(readings: Sequence[Reading]) -> tuple[tuple[Principle, Principle | None], ...]:
    archetypes = [reading.archetype for reading in readings if reading.archetype]
    if not archetypes:
        return ()
    own = archetypes[0].id
    return tuple((each, _nearest(each, own)) for each in constitution_of(archetypes))


def _nearest(principle: Principle, own: str) -> Principle | None:
    words = content_words(f"{principle.situation} {principle.statement}")
    near = [
        (jaccard(words, other_words), other)
        for other, other_words in _library()
        if other.archetype != own
    ]
    share, nearest = max(near, key=lambda pair: pair[0])
    return nearest if share >= _NEAR else None


@cache
def _library() -> tuple[tuple[Principle, set[str]], ...]:
    """The shipped principles and their words; they do not change while the studio runs."""
    return tuple(
        (each, content_words(f"{each.situation} {each.statement}"))
        for each in compile_constitution(LIBRARY)
    )


def _missing(readings: Sequence[Reading]) -> dict[str, tuple[str, ...]]:
    archetype = next((reading.archetype for reading in readings if reading.archetype), None)
    if archetype is None:
        return {}
    guarded = {principle.failure_mode for principle in archetype.principles}
    modes = load_failure_modes()
    wanted = sorted({opposite(mode) for mode in guarded if mode in modes} - guarded)
    return {
        mode: tuple(sorted({each.archetype for each, _ in _library() if each.failure_mode == mode}))
        for mode in wanted
        if mode in modes
    }


def _changes(saved: Path, new: Path) -> tuple[PrincipleChange, ...] | None:
    try:
        return tuple(diff(load_side(str(saved)), load_side(str(new))))
    except (ConfigurationError, OSError):
        return None


def _list(asked: Asked) -> Response:
    data = {"files": [asked.place.name(file) for file in asked.place.archetypes()]}
    return asked.page("files.html", data=data)


def _open(asked: Asked) -> Response:
    file = asked.place.file(asked.path("file"))
    if not file.is_file():
        raise NotThereError(f"There is no file {asked.path('file')!r} in this folder.")
    try:
        raw = file.read_bytes()
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise NotThereError(f"{file.name} is not UTF-8; save it as UTF-8 first.") from None
    saved = "Saved." if asked.query("saved") else ""
    return _editor(asked, file, text, base=_hash(raw), said=saved)


def _editor(
    asked: Asked, file: Path, text: str, *, base: str, said: str = "", status: int = 200,
    other: str = "",
) -> Response:  # fmt: skip
    data = {
        "file": asked.place.name(file), "text": text, "base": base, "said": said, "other": other,
        "found": review_text(file, text), "cues": load_cues(), "modes": load_failure_modes(),
    }  # fmt: skip
    return asked.page("write.html", status=status, data=data)


def _save(asked: Asked) -> Response:
    """Saves a text, unless the file is no longer the one that was opened."""
    file = asked.place.file(asked.path("file"))
    text = asked.form.get("text", "").replace("\r\n", "\n")
    base = asked.form.get("base", "")
    if asked.form.get("only_check"):
        return _editor(asked, file, text, base=base, said="Checked, not saved.")
    current = file.read_bytes() if file.is_file() else b""
    if _hash(current) != base:
        said = (
            "Not saved: the file was changed by somebody else since you opened it. Their text "
            "stands below yours. Take over what you want; saving again then replaces theirs."
        )
        other = current.decode("utf-8", "replace")
        return _editor(asked, file, text, base=_hash(current), said=said, status=409, other=other)
    with replacing(file) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")
    return go_to(f"/write/{asked.place.name(file)}", {"saved": "1"})


def _lint(asked: Asked) -> Response:
    """What the editor shows after a keystroke, as JSON: problems by line, and the side."""
    file = asked.place.file(asked.path("file"))
    found = review_text(file, asked.form.get("text", ""))
    side = asked.page("write_side.html", data={"found": found})
    problems = [
        {"line": p.line, "severity": p.severity, "message": f"{p.message}. {p.fix} ({p.code})"}
        for p in found.problems
    ]
    return JSONResponse({"problems": problems, "side": bytes(side.body).decode()})


def _explain(asked: Asked) -> Response:
    found = explain(asked.path("code"))
    text = f"{found.means}\n\nExample: {found.example}\n\nWhat to do: {found.fix}"
    return asked.sentence(found.code, text)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


ROUTES = (
    screen("/write", _list),
    screen("/write/{file:path}", _open),
    screen("/write/{file:path}", _save, post=True),
    screen("/lint/{file:path}", _lint, post=True),
    screen("/explain/{code}", _explain),
)
