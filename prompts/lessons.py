"""Lessons: arcs (shadow, recognition, integration), questions with answers, plain texts.

Foreign forms, those of layered-morphology data, are read, too:

- `.text` or `.txt`: whole texts with a separator between them: `<|endoftext|>`,
  `END_OF_STORY` (also with `=` around it), or a line of `---`. The first of these that
  occurs in the file is the separator. A file without any is one text.
- A folder of `.json` files, each `{"question": ..., "answer": ...}` or a list of such.

Each text stays whole: no block length ever cuts one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..archetypes.vocabulary import load_failure_modes
from ..errors import Problem, PromptError
from ..files.lines import numbered
from ..files.validation import suggestion
from ..llm.message import Message
from .fields import Row, check_keys, decode, read_choice, read_slug, read_text
from .loader import MAX_BYTES, read_utf8, shown


@dataclass(frozen=True, slots=True)
class Lesson:
    """One row of supervised training.

    Attributes:
        id: Unique within its file.
        prompt: The conversation it answers; () for a text that stands by itself.
        text: What the model is trained to write; never cut.
        failure_mode: The failure mode it is about; "" if unknown.
        archetype: The archetype it belongs to; "" if none.
        theme: `shadow`, `integration`, ... for arcs, `refusal`, `plain`, `unsure` for
            answers, anything else for lessons of one's own.
        file: Where it was read from.
        line: 1-based line; 0 for a whole file.
    """

    id: str
    prompt: tuple[Message, ...]
    text: str
    failure_mode: str = ""
    archetype: str = ""
    theme: str = ""
    file: str = ""
    line: int = 0


STORIES: Final = Path(__file__).parent / "stories"
SHIPPED: Final = {"arcs": STORIES / "arcs.jsonl", "questions": STORIES / "questions.jsonl"}
"""Lessons that come with the package."""

PARTS: Final = ("shadow", "recognition", "integration")
_ARC: Final = ("id", "archetype", "failure_mode", "theme", "prompt", *PARTS)
_ANSWER: Final = ("id", "answer", "question", "failure_mode", "theme")
"""The first two are needed; without a question the text stands by itself."""


def load_lessons(
    source: str | Path,
    *,
    themes: Collection[str] | None = None,
    archetypes: Collection[str] | None = None,
    failure_modes: Collection[str] | None = None,
    limit: int | None = None,
) -> list[Lesson]:
    """Loads lessons in file order.

    Args:
        source: `arcs` or `questions` (shipped), a JSONL file in either form, a `.text`
            or `.txt` file of texts with separators, or a folder of
            `{question, answer}` JSON files (see above).
        themes: Only these; None for all.
        archetypes: Only these; None for all.
        failure_modes: Only these; None for all.
        limit: Most lessons; None for all.

    Raises:
        PromptError: Every problem of the source, with file and line; or no lesson is
            left by the choice.

    Example:
        >>> len(load_lessons("arcs", themes=["truth"]))
        7
    """
    found, problems = read_lessons(source)
    if not problems:
        problems = unknown_themes(source, found, themes)
    if problems:
        raise PromptError(problems)
    chosen = [
        lesson
        for lesson in found
        if (themes is None or lesson.theme in themes)
        and (archetypes is None or lesson.archetype in archetypes)
        and (failure_modes is None or lesson.failure_mode in failure_modes)
    ][:limit]
    if not chosen:
        names = sorted({lesson.theme for lesson in found})
        message = f"no lesson is left by themes {themes}, archetypes {archetypes}, failure modes "
        message += f"{failure_modes}"
        fix = f"its themes are: {', '.join(names)}"
        raise PromptError.one("N002", source, message, fix)
    return chosen


def unknown_themes(
    source: str | Path, lessons: Sequence[Lesson], themes: Collection[str] | None
) -> list[Problem]:
    """A problem for each theme that no lesson has, with the nearest one that some have."""
    known = {lesson.theme for lesson in lessons}
    return [
        Problem("N002", "error", str(source), 0, f"no lesson has theme {theme!r}.",
                suggestion(theme, known))
        for theme in themes or ()
        if theme not in known
    ]  # fmt: skip


def read_lessons(source: str | Path) -> tuple[list[Lesson], list[Problem]]:
    """Reads what can be read, and says what cannot; raises nothing."""
    path = SHIPPED.get(str(source), Path(source))
    if path.suffix != ".jsonl":
        return read_foreign(path)
    problems: list[Problem] = []
    lessons: list[Lesson] = []
    first: dict[str, int] = {}
    for number, text in numbered(read_utf8(path, problems)):
        row = Row(shown(path), number)
        lesson = _parse(text, row)
        if lesson is not None:
            if first.setdefault(lesson.id, number) != number:
                row.report("P007", f"id {lesson.id!r} is in line {first[lesson.id]} already.")
            lessons.append(lesson)
        problems += row.problems
    if not lessons and not problems:
        problems.append(Problem("N002", "error", str(source), 0, "there are no lessons"))
    return lessons, problems


def _parse(text: str, row: Row) -> Lesson | None:
    data = decode(text, row)
    if data is None:
        return None
    is_arc = "shadow" in data or "integration" in data
    fields = _ARC if is_arc else _ANSWER
    check_keys(data, fields if is_arc else _ANSWER[:2], (*fields, "licence"), row)
    asked = read_text(data, "prompt" if is_arc else "question", row)
    said = [read_text(data, part, row) for part in (PARTS if is_arc else ("answer",))]
    mode = read_choice(data, "failure_mode", load_failure_modes(), row)
    lesson = Lesson(
        id=read_slug(data, "id", row),
        prompt=(Message("user", asked),) if asked else (),
        text="\n\n".join(said) if is_arc else said[0],
        failure_mode=mode,
        archetype=read_slug(data, "archetype", row) if is_arc else "",
        theme=read_slug(data, "theme", row),
        file=row.file,
        line=row.line,
    )
    return None if row.problems else lesson


def lesson_rows(lessons: Sequence[Lesson]) -> Iterator[dict[str, str]]:
    """Lessons as rows of the JSONL form that fits: what `read_lessons` reads again."""
    for lesson in lessons:
        parts = lesson.text.split("\n\n")
        asked = lesson.prompt[-1].content if lesson.prompt else ""
        row = {"id": lesson.id, "failure_mode": lesson.failure_mode, "theme": lesson.theme}
        if lesson.archetype and len(parts) == len(PARTS):
            arc = dict(zip(PARTS, parts, strict=True))
            row |= {"archetype": lesson.archetype, "prompt": asked, **arc}
        else:
            row |= {"question": asked, "answer": lesson.text}
        yield {key: value for key, value in row.items() if value}


_SEPARATORS: Final = (
    re.compile(r"<\|endoftext\|>"),
    re.compile(r"=*\s*\bEND_OF_STORY\b\s*=*"),
    re.compile(r"^[ \t]*-{3,}[ \t]*$", re.MULTILINE),
)
_CONTROL: Final = re.compile(r"<\|[a-z_]+\|>")


def read_foreign(path: Path) -> tuple[list[Lesson], list[Problem]]:
    """Reads a file of separated texts or a folder of questions; raises nothing."""
    if path.is_dir():
        return _folder(path)
    text, problem = _read(path)
    if problem is not None:
        return [], [problem]
    lessons = [
        Lesson(
            f"{_slug(path.stem)}-{number:03d}",
            (),
            part,
            theme=_slug(path.stem),
            file=shown(path),
        )
        for number, part in enumerate(split_texts(text), start=1)
    ]
    return _checked(lessons, path)


def split_texts(text: str) -> list[str]:
    """The whole texts of a file, separators taken out, empty ones left out."""
    for separator in _SEPARATORS:
        if separator.search(text):
            parts = separator.split(text)
            break
    else:
        parts = [text]
    return [part.strip() for part in parts if part.strip()]


def _folder(folder: Path) -> tuple[list[Lesson], list[Problem]]:
    lessons: list[Lesson] = []
    problems: list[Problem] = []
    for file in sorted(folder.glob("*.json")):
        text, problem = _read(file)
        if problem is not None:
            problems.append(problem)
            continue
        try:
            data = json.loads(text)
        except ValueError as error:
            problems.append(Problem("N001", "error", shown(file), 0, f"not JSON: {error}"))
            continue
        rows = data if isinstance(data, list) else [data]
        for number, row in enumerate(rows, start=1):
            pair = [
                row.get(key) if isinstance(row, dict) else None for key in ("question", "answer")
            ]
            if not all(isinstance(part, str) and part.strip() for part in pair):
                message = f"entry {number} has no `question` and `answer` of text"
                problems.append(Problem("N001", "error", shown(file), 0, message))
                continue
            question, answer = (str(part).strip() for part in pair)
            name = _slug(file.stem) + ("" if len(rows) == 1 else f"-{number:03d}")
            lessons.append(
                Lesson(
                    name,
                    (Message("user", question),),
                    answer,
                    theme=_slug(folder.name),
                    file=shown(file),
                )
            )
    if problems:
        return lessons, problems
    return _checked(lessons, folder)


def _slug(name: str) -> str:
    """A name in lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "lesson"


def _checked(lessons: list[Lesson], path: Path) -> tuple[list[Lesson], list[Problem]]:
    """Nothing there, or text that holds a model's control tokens, is a problem."""
    if not lessons:
        return [], [Problem("N002", "error", shown(path), 0, "there are no lessons")]
    problems = []
    for lesson in lessons:
        control = _CONTROL.search(lesson.text)
        if control:
            message = f"{lesson.id} holds {control.group()!r}, which is no text but a control token"
            fix = "remove it: the end of a text is trained by itself"
            problems.append(Problem("N003", "error", lesson.file, lesson.line, message, fix))
    return lessons, problems


def _read(path: Path) -> tuple[str, Problem | None]:
    where = shown(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            return "", Problem("P001", "error", where, 0, f"over {MAX_BYTES} bytes", "split it")
        return path.read_text(encoding="utf-8-sig"), None
    except UnicodeDecodeError as error:
        return "", Problem(
            "P001", "error", where, 0, f"not UTF-8 (byte {error.start})", "save it as UTF-8"
        )
    except OSError as error:
        fix = "use `arcs`, `questions`, a .jsonl or .text file, or a folder of .json files"
        message = f"cannot read: {error.strerror}"
        return "", Problem("P001", "error", where, 0, message, fix)
