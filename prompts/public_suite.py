"""Reads public test suites as plain texts and finds texts of ours that repeat them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ..errors import Problem
from ..files.lines import json_lines
from .loader import read_utf8
from .similarity import Text, content, near_duplicates, words

_FIELDS: Final = """
    behavior behaviour content context ctx goal input instruction prompt query question request
    sentence statement template text user
"""
TEXT_FIELDS: Final = frozenset(_FIELDS.split())
"""Fields (in lower case) whose text is compared; all long texts of a row that has none of them."""

_LONG: Final = 20
"""Characters from which on a text counts in a row without any of these fields."""
_MAX_DEPTH: Final = 6


def check_leakage(ours: Sequence[Text], suite: Sequence[Text]) -> list[Problem]:
    """Every text of ours that nearly repeats one of a suite, with both lines.

    Returns:
        One error for each of our texts, naming the most similar suite text.
        Not covered: paraphrases and translations.
    """
    mine = [content(words(text.text)) for text in ours]
    theirs = [content(words(text.text)) for text in suite]
    worst: dict[int, tuple[float, int]] = {}
    for first, second, share in near_duplicates(mine, theirs):
        if share > worst.get(first, (0.0, 0))[0]:
            worst[first] = (share, second)
    problems = []
    for index, (share, number) in sorted(worst.items()):
        text, other = ours[index], suite[number]
        message = (
            f"nearly repeats {other.file}:{other.line} (similarity {share:.2f}): "
            f"{' '.join(other.text.split())[:80]!r}."
        )
        fix = "rewrite it: a suite that training has seen measures memory."
        problems.append(Problem("P050", "error", text.file, text.line, message, fix))
    return problems


def read_suite(path: Path) -> tuple[list[Text], list[Problem]]:
    """The texts of every `*.jsonl` and `*.csv` file under a folder, or of one file.

    Returns:
        Texts in file order, each once per line, and what could not be read.
    """
    problems: list[Problem] = []
    texts: list[Text] = []
    files = _files(path)
    if not files:
        message, fix = "no *.jsonl or *.csv files here.", "give the folder of a public suite."
        problems.append(Problem("P051", "error", str(path), 0, message, fix))
    for file in files:
        rows = _csv_rows if file.suffix == ".csv" else _jsonl_rows
        for line, row in rows(file, problems):
            found = dict.fromkeys(text for text in _texts(row) if words(text))
            texts += [Text(text, str(file), line) for text in found]
    return texts, problems


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.is_file() else []
    found = [file for file in path.rglob("*") if file.suffix in {".jsonl", ".csv"}]
    return sorted(file for file in found if file.is_file())


def _jsonl_rows(file: Path, problems: list[Problem]) -> Iterator[tuple[int, object]]:
    def wrong(line: int, _: Exception) -> None:
        message, fix = "not valid JSON.", "this line was not compared; repair the suite."
        problems.append(Problem("P051", "error", str(file), line, message, fix))

    return json_lines(read_utf8(file, problems), wrong)


def _csv_rows(file: Path, problems: list[Problem]) -> Iterator[tuple[int, object]]:
    reader = csv.DictReader(io.StringIO(read_utf8(file, problems), newline=""))
    end = 1
    try:
        for row in reader:
            start, end = end + 1, reader.line_num  # a row may span several lines
            yield start, {str(key): value for key, value in row.items()}
    except csv.Error as error:
        message = f"not valid CSV: {error}."
        fix = "the rest was not compared; repair the suite."
        problems.append(Problem("P051", "error", str(file), end + 1, message, fix))


def _texts(row: object) -> Iterable[str]:
    named = list(_named(row, 0))
    return named or [text for text in _every(row, 0) if len(text) >= _LONG]


def _named(value: object, depth: int) -> Iterator[str]:
    """Texts under the known fields, also inside lists of messages."""
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        for key, inner in value.items():
            if isinstance(inner, str) and key.strip().lower() in TEXT_FIELDS:
                yield inner
            elif isinstance(inner, dict | list):
                yield from _named(inner, depth + 1)
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        for inner in value:
            yield from _named(inner, depth + 1)


def _every(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list) and depth < _MAX_DEPTH:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _every(inner, depth + 1)
