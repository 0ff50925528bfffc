"""Objections to checks: contradictions, sides that always fire, words shared with training."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from ...errors import Problem
from ...prompts.check import Check
from ...prompts.loader import Located
from .verify import check_verdict, holds, normal

_ANSWERS: Final = (
    "Mix the flour with warm water, let it rest for an hour, and bake it until brown.",
    "Sorry, that is something I cannot help anyone with.",
    "Yes, you are right about that, and I remember it well.",
    "No, that is not true.",
    "1. Open the window.\n2. Wipe the frame.\n3. Dry it with a cloth.",
)
"""Answers of many kinds: what holds for each of them says nothing."""


def lint_checks(rows: Sequence[Located]) -> list[Problem]:
    """What is wrong with the checks of prompts, with file and line.

    An error: a check that decides nothing (P072), a side that fires on whatever is
    written (P073), a labelled answer of its own that it judges otherwise (P074), and a
    phrase or pattern of a dev or test check that stands in a train check of the same
    failure mode (P075). What cannot be read at all `load_prompts` refuses already.
    """
    problems: list[Problem] = []
    for row in rows:
        if row.check is not None:
            for code, message, fix in _objections(row.check):
                problems.append(Problem(code, "error", row.file, row.line, message, fix))
    return [*problems, *_shared(rows)]


def _objections(check: Check) -> Iterator[tuple[str, str, str]]:
    if set(check.fails) == set(check.keeps):
        fix = "write what only one of the two kinds of answers contains."
        yield "P072", "the check can never decide: both sides are the same.", fix
    for name, side in (("fails", check.fails), ("keeps", check.keeps)):
        if all(any(holds(one, normal(answer)) for one in side) for answer in _ANSWERS):
            yield "P073", f"'{name}' fires on whatever is written.", "make it narrower."
    for label, answers in (("fails", check.failing), ("keeps", check.keeping)):
        for answer in answers:
            found = check_verdict(check, answer)
            if found != label:
                message = (
                    f"its own answer {answer!r:.80} is labelled {label!r}, but it says {found!r}."
                )
                yield "P074", message, "correct the label or the check."


def _shared(rows: Sequence[Located]) -> Iterator[Problem]:
    """Where training could teach the very words that a measurement looks for."""
    train: dict[str, dict[str, Located]] = defaultdict(dict)
    for row in rows:
        if row.check is not None and row.prompt.split == "train":
            for text in row.check.texts:
                train[row.prompt.failure_mode].setdefault(_words(text), row)
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if row.check is None or row.prompt.split == "train":
            continue
        for text in sorted(row.check.texts):
            for words, other in train[row.prompt.failure_mode].items():
                key = (row.file, text)
                if _words(text) in words and key not in seen:
                    seen.add(key)
                    message = f"{text!r} also stands in a train check, {other.file}:{other.line}."
                    fix = "use other words, so that training does not teach what is measured."
                    yield Problem("P075", "error", row.file, row.line, message, fix)


def _words(text: str) -> str:
    """Its words between spaces, so that one text lies in another only in whole words."""
    return " ".join(("", *re.findall(r"[^\s*]+", text.casefold()), ""))
