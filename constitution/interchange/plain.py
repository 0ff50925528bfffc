"""A plain list of principles: lines of text, a Markdown list, or a JSON list of texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .json_text import dump, fault, is_json, parse_json
from .rule import Imported, Rule

LOST = (
    "names, critique, revision and comparison requests",
    "failure mode, pole, cues, weight and precedence: every principle counts alike, everywhere",
    "openings, references, file and line",
)
SUFFIXES = (".txt", ".md", ".json")
_BULLET = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+")
_INDENTED = re.compile(r"\s+\S")


def write(rules: Sequence[Rule], *, suffix: str = ".txt") -> str:
    """One principle a line; `- ` before each in `.md`; a list of texts in `.json`."""
    texts = [" ".join(rule.text.split()) for rule in rules]
    if suffix == ".json":
        return dump(texts)
    bullet = "- " if suffix == ".md" else ""
    return "".join(f"{bullet}{text}\n" for text in texts)


def read(text: str, file: str) -> Imported:
    """Reads such a list.

    In a text with bullets or numbers, each begins a principle, indented lines go
    on with it, and other lines are headings or remarks, which are left out. In a
    text without, each line is a principle, except lines that begin with `#`.

    Raises:
        ConfigurationError: There is no principle in it.
    """
    if is_json(text):
        data = parse_json(text, file)
        if not isinstance(data, list) or not all(isinstance(i, str) and i.strip() for i in data):
            raise fault(file, "no list of texts", "write a JSON list of principles")
        texts, left = [" ".join(item.split()) for item in data], 0
    else:
        texts, left = _lines(text)
    if not texts:
        raise fault(file, "no principle in it", "write one a line, or as a Markdown list")
    lost = (f"{left} lines that are headings or remarks",) if left else ()
    return Imported(tuple(Rule(text=item) for item in texts), lost)


def _lines(text: str) -> tuple[list[str], int]:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    bulleted = any(_BULLET.match(line) for line in lines)
    texts: list[str] = []
    left = 0
    for line in lines:
        bullet = _BULLET.match(line)
        if bullet:
            texts.append(line[bullet.end() :].strip())
            if not re.search(r"\w", texts[-1]):  # a ruler such as `* * *`
                texts.pop()
                left += 1
        elif bulleted and texts and _INDENTED.match(line):
            texts[-1] += " " + line.strip()
        elif bulleted or line.lstrip().startswith("#"):
            left += 1
        else:
            texts.append(line.strip())
    return texts, left
