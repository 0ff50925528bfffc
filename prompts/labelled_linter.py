"""Checks labelled answer pairs: held out, enough of them, no give-away but the answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, get_args

from ..archetypes.lint.answer_label import mislabelled
from ..archetypes.lint.wording import stereotype
from ..errors import Problem, Severity
from .labelled import LabelledAnswers, LocatedAnswers
from .linter import prompt_words
from .loader import Located
from .prompt import Role
from .similarity import Text, content, near_duplicates, words

MIN_PAIRS: Final = 15
"""Labelled pairs wanted per failure mode and role: fewer say little about a model or critic."""

LONGER_SHARE: Final = (0.4, 0.6)
"""Share of a file's pairs whose good answer may be the longer one, both ends included."""

BEGINNING_SHARE: Final = 0.25
"""Largest share of a file's good, or failing, answers that may begin with the same two words."""


def lint_labelled(rows: Sequence[LocatedAnswers], prompts: Sequence[Located] = ()) -> list[Problem]:
    """What a careful reader would object to in labelled pairs that were read.

    Args:
        rows: The labelled pairs.
        prompts: Prompts of the sets, from which the pairs must be held out.

    Returns:
        All problems, by file and line. Not covered: whether the good answer is
        good; a person has to read it.
    """
    problems = [*_check_rows(rows), *_check_repeats(rows), *_check_topics(rows, prompts)]
    problems += check_held_out(labelled_texts(rows), prompts)
    files: dict[str, list[LabelledAnswers]] = defaultdict(list)
    for row in rows:
        files[row.file].append(row.answers)
    for file, answers in files.items():
        problems += _check_file(file, answers)
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.code))


def _problem(code: str, severity: Severity, row: LocatedAnswers, message: str, fix: str) -> Problem:
    return Problem(code, severity, row.file, row.line, message, fix)


def labelled_texts(rows: Sequence[LocatedAnswers]) -> list[Text]:
    """The conversations, answers left out."""
    return [
        Text("\n".join(message.content for message in row.answers.messages), row.file, row.line)
        for row in rows
    ]


def _check_rows(rows: Sequence[LocatedAnswers]) -> Iterator[Problem]:
    for row in rows:
        pair = row.answers
        found = list(mislabelled(pair.failure_mode, pair.role, pair.good, pair.failing))
        severity: Severity = "error" if len(found) == 2 else "warning"
        for side, what in found:
            message = f"the {side} answer of {pair.id!r} ({pair.role}) {what}."
            fix = "swap good and failing, correct the role, or reword the answer."
            yield _problem("P037", severity, row, message, fix)
        phrase = stereotype(pair.good)
        if phrase:
            message = f"the good answer says what a group of people is like: {phrase!r}."
            fix = "say what a person does in the situation, whoever they are."
            yield _problem("P038", "error", row, message, fix)


def _check_repeats(rows: Sequence[LocatedAnswers]) -> Iterator[Problem]:
    """Prompts that nearly repeat another labelled prompt, other than an at-risk one's twin."""
    asked = [content(words(text.text)) for text in labelled_texts(rows)]
    for first, second, share in near_duplicates(asked):
        one, other = rows[first], rows[second]
        if one.answers.role != other.answers.role and one.answers.topic == other.answers.topic:
            continue
        where = f"{one.file}:{one.line}"
        message = f"its prompt nearly repeats the one at {where} (similarity {share:.2f})."
        yield _problem("P033", "warning", other, message, "vary wording or matter.")


def check_held_out(measured: Sequence[Text], prompts: Sequence[Located]) -> Iterator[Problem]:
    """Prompts of labelled pairs or exemplars that nearly repeat one of the sets."""
    sets = [content(prompt_words(item.prompt)) for item in prompts]
    pairs = [content(words(text.text)) for text in measured]
    for first, second, share in near_duplicates(sets, pairs):
        item, text = prompts[first], measured[second]
        message = (
            f"its prompt nearly repeats {item.prompt.id!r} at {item.file}:{item.line} "
            f"(similarity {share:.2f})."
        )
        fix = "rewrite it: labelled answers measure, so they must be new to the model."
        yield Problem("P032", "error", text.file, text.line, message, fix)


def _check_topics(rows: Sequence[LocatedAnswers], prompts: Sequence[Located]) -> Iterator[Problem]:
    topics: dict[tuple[str, str], Located] = {}
    for item in prompts:
        topics.setdefault((item.prompt.failure_mode, item.prompt.topic), item)
    for row in rows:
        known = topics.get((row.answers.failure_mode, row.answers.topic))
        if known is not None:
            message = f"topic {row.answers.topic!r} is in a prompt set: {known.file}:{known.line}."
            fix = "choose a topic that no prompt of this failure mode has."
            yield _problem("P039", "warning", row, message, fix)


def _check_file(file: str, answers: Sequence[LabelledAnswers]) -> Iterator[Problem]:
    roles = Counter(pair.role for pair in answers)
    for role in get_args(Role):
        if roles[role] < MIN_PAIRS:
            message = f"{roles[role]} labelled pairs with role {role}; {MIN_PAIRS} are wanted."
            fix = "write more: intervals on so few are wide."
            yield Problem("P036", "warning", file, 0, message, fix)
    if len(answers) < MIN_PAIRS:
        return
    longer = sum(len(pair.good) > len(pair.failing) for pair in answers) / len(answers)
    low, high = LONGER_SHARE
    if not low <= longer <= high:
        message = f"the good answer is the longer one in {longer:.0%} of {len(answers)} pairs."
        fix = f"keep it within {low:.0%} to {high:.0%}, so that length does not give it away."
        yield Problem("P034", "warning", file, 0, message, fix)
    sides: tuple[tuple[str, Callable[[LabelledAnswers], str]], ...] = (
        ("good", lambda pair: pair.good),
        ("failing", lambda pair: pair.failing),
    )
    for name, side in sides:
        starts = Counter(words(side(pair))[:2] for pair in answers)
        start, count = starts.most_common(1)[0]
        if count > BEGINNING_SHARE * len(answers):
            message = f"{count} of {len(answers)} {name} answers begin with {' '.join(start)!r}."
            yield Problem("P035", "warning", file, 0, message, "vary how answers begin.")
