"""Lessons in the formats of layered-morphology data: separated texts, folders of questions.

- `.text` or `.txt`: whole texts with a separator between them: `<|endoftext|>`,
  `END_OF_STORY` (also with `=` around it), or a line of `---`. The first of these that
  occurs in the file is the separator. A file without any is one text.
- A folder of `.json` files, each `{"question": ..., "answer": ...}` or a list of such.

Each text stays whole: no block length ever cuts one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from ..errors import Problem
from ..llm.message import Message
from .lesson import Lesson
from .loader import MAX_BYTES, shown

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
