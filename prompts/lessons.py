"""Reads lessons: arcs (shadow, recognition, integration), questions with answers, plain texts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from ..archetypes.vocabulary import load_failure_modes
from ..errors import Problem, PromptError
from ..files.lines import numbered
from ..files.validation import suggestion
from ..llm.message import Message
from .fields import Row, check_keys, decode, read_choice, read_slug, read_text
from .lesson import Lesson
from .lesson_formats import read_foreign
from .loader import read_utf8, shown

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
            `{question, answer}` JSON files (see `lesson_formats`).
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
