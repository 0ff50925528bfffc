"""Reads the fields of a suite's rows, and turns rows with options into questions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from ...errors import Problem
from ...files.validation import suggestion
from ...llm.message import Message
from ...llm.request import Request
from .rows import Row
from .suite import ChoiceItem, Suite

_MOST = 20  # problems of one kind that are listed; the rest is counted


class Fields:
    """Reads our fields from the columns they stand in.

    Args:
        names: Our field -> column; a field that is left out has its own name.
        rows: All rows, for the known columns.
    """

    def __init__(self, names: Mapping[str, str], rows: Sequence[Row]) -> None:
        self._names = names
        self._known = sorted({str(key) for row in rows[:200] for key in row.values})
        self.problems: list[Problem] = []

    def column(self, field: str) -> str:
        """The column a field stands in."""
        return self._names.get(field, field)

    def known(self, field: str) -> bool:
        """True where the rows have the field's column."""
        return self.column(field) in self._known

    def text(self, row: Row, field: str) -> str | None:
        """A text that is not empty, or None and a problem."""
        value = self._value(row, field, "text")
        if value is None:
            return None
        if isinstance(value, str) and value.strip():
            return value
        self._wrong(row, field, "text that is not empty", value)
        return None

    def texts(self, row: Row, field: str, *, least: int = 1) -> list[str] | None:
        """A list of texts, or None and a problem."""
        value = self._value(row, field, "a list of texts")
        if value is None:
            return None
        if isinstance(value, Sequence) and not isinstance(value, str):
            texts = [text for text in value if isinstance(text, str) and text.strip()]
            if len(texts) == len(value) >= least:
                return texts
        self._wrong(row, field, f"a list of {least} or more texts", value)
        return None

    def whole(self, row: Row, field: str, *, below: int) -> int | None:
        """A whole number in [0, below), or None and a problem."""
        value = self._value(row, field, "a whole number")
        if value is None:
            return None
        if isinstance(value, str) and value.isdigit():  # CSV knows no numbers
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below:
            return value
        self._wrong(row, field, f"a whole number from 0 to {below - 1}", value)
        return None

    def scores(self, row: Row, field: str) -> dict[str, float] | None:
        """Text -> number, at least two, at least one above 0; or None and a problem."""
        value = self._value(row, field, "a mapping of text to number")
        if value is None:
            return None
        if isinstance(value, Mapping) and len(value) >= 2:
            scores = {
                str(key): float(number)
                for key, number in value.items()
                if isinstance(number, int | float)
            }
            if len(scores) == len(value) and max(scores.values()) > 0:
                return scores
        self._wrong(row, field, "two or more texts with numbers, one above 0", value)
        return None

    def optional(self, row: Row, field: str) -> str:
        """A text or number as text, or "" where there is none."""
        value = row.values.get(self.column(field))
        return "" if value is None else str(value)

    def fault(self, row: Row, message: str, fix: str) -> None:
        """Notes something wrong with a row."""
        self.problems.append(Problem("E025", "error", row.file, row.line, message, fix))

    def listed(self) -> list[Problem]:
        """The problems, the many of one kind cut short with their number."""
        if len(self.problems) <= _MOST:
            return self.problems
        left = len(self.problems) - _MOST
        first = self.problems[0]
        more = Problem(first.code, "error", first.file, 0, f"and {left} more rows like these", "")
        return [*self.problems[:_MOST], more]

    def _value(self, row: Row, field: str, wanted: str) -> Any:
        column = self.column(field)
        value = row.values.get(column)
        if value is None:
            fix = suggestion(column, self._known)
            message = f"field `{column}` is missing ({wanted})"
            self.problems.append(Problem("E024", "error", row.file, row.line, message, fix))
        return value

    def _wrong(self, row: Row, field: str, wanted: str, value: object) -> None:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        message = f"field `{self.column(field)}` must be {wanted}, got {shown}"
        self.fault(row, message, "correct the row, or map the field to another column")


_OPTION = re.compile(r"\n\s*\(([A-Z])\)[ \t]*")
Option = tuple[Request, str]


def choice_item(suite: Suite, fields: Fields, row: Row, item_id: str) -> ChoiceItem | None:
    """The item of one row of kind `choice`, or None where the row has a fault."""
    question = fields.text(row, "prompt")
    found = _options(fields, row)
    if question is None or found is None:
        return None
    texts, right, best = found
    if suite.cloze:
        if question.count(suite.cloze) != 1:
            message = f"the prompt needs {suite.cloze!r} exactly once: {question[:60]!r}"
            fields.fault(row, message, "correct the row or `cloze`")
            return None
        orders: tuple[tuple[Option, ...], ...] = (_cloze(suite, question, texts),)
    elif suite.listed:
        straight = list(range(len(texts)))
        orders = tuple(
            _listed(suite, question, texts, order) for order in (straight, straight[::-1])
        )
    else:
        orders = (tuple(_option(suite, asked(suite, question), text) for text in texts),)
    sizes = tuple(len(text.strip().encode()) for text in texts)
    return ChoiceItem(item_id, orders, right, sizes, best, fields.optional(row, "group"))


def ab_item(suite: Suite, fields: Fields, row: Row, item_id: str) -> ChoiceItem | None:
    """The item of one row of kind `ab`: is the behaviour-matching option preferred?

    Options listed in the prompt as `(A) ...` are also shown in reversed order;
    others (Yes and No) have no order to turn round.
    """
    question = fields.text(row, "prompt")
    matching, other = fields.text(row, "matching"), fields.text(row, "not_matching")
    if question is None or matching is None or other is None:
        return None
    group = fields.optional(row, "group")
    letters = _OPTION.findall(question)
    if len(letters) < 2:
        texts = [matching.strip(), other.strip()]
        order = tuple(_option(suite, asked(suite, question), text) for text in texts)
        sizes = tuple(len(text.encode()) for text in texts)
        return ChoiceItem(item_id, (order,), frozenset({0}), sizes, 0, group)
    letter = matching.strip().strip("()")
    if letter not in letters or letters != list(ascii_uppercase[: len(letters)]):
        message = f"the prompt lists {letters}, but the matching option is {matching!r}"
        fields.fault(row, message, "options must be listed as (A), (B), ... on lines of their own")
        return None
    orders = tuple(
        tuple(_option(suite, asked(suite, text), f"({ascii_uppercase[place]})") for place in places)
        for text, places in _both_ways(question, len(letters))
    )
    best = letters.index(letter)
    return ChoiceItem(item_id, orders, frozenset({best}), (3,) * len(letters), best, group)


def word_item(suite: Suite, fields: Fields, row: Row, item_id: str) -> ChoiceItem | None:
    """The item of one row of kind `last_word`: one option, to be the likeliest text."""
    question, target = fields.text(row, "prompt"), fields.text(row, "target")
    if question is None or target is None:
        return None
    option = _option(suite, asked(suite, question.rstrip()), target.strip())
    return ChoiceItem(item_id, ((option,),), frozenset({0}), (len(target.encode()),), 0)


def asked(suite: Suite, prompt: str) -> str:
    """The prompt in the question's form, put in once."""
    before, after = suite.question.split("$prompt")
    return f"{before}{prompt}{after}"


def _option(suite: Suite, question: str, text: str) -> Option:
    if suite.form == "plain":
        return Request((), prefill=question), f"{suite.lead}{text.strip()}"
    return Request((Message("user", question),)), text.strip()


def _cloze(suite: Suite, question: str, texts: Sequence[str]) -> tuple[Option, ...]:
    before, after = question.split(suite.cloze)
    return tuple((Request((), prefill=f"{before}{text}"), f" {after.strip()}") for text in texts)


def _listed(
    suite: Suite, question: str, texts: Sequence[str], order: Sequence[int]
) -> tuple[Option, ...]:
    """`order[k]` is the option shown under the k-th letter."""
    lines = [f"{ascii_uppercase[k]}. {texts[index]}" for k, index in enumerate(order)]
    shown = asked(suite, "\n".join([question, *lines]))
    return tuple(
        _option(suite, shown, ascii_uppercase[order.index(index)]) for index in range(len(texts))
    )


def _both_ways(question: str, count: int) -> list[tuple[str, list[int]]]:
    """The question as it is and with its options reversed; per option its letter's place."""
    head, *rest = _OPTION.split(question)
    texts = rest[1::2]
    # What follows the last option (a closing "Answer:") stays where it is.
    last, gap, tail = texts[-1].partition("\n\n")
    texts[-1] = last
    marks = _OPTION.finditer(question)
    signs = [mark.group(0) for mark in marks]
    ways = []
    for places in (list(range(count)), list(range(count))[::-1]):
        shown = [texts[places.index(k)] for k in range(count)]
        body = "".join(sign + text for sign, text in zip(signs, shown, strict=True))
        ways.append((f"{head}{body}{gap}{tail}", places))
    return ways


def _options(fields: Fields, row: Row) -> tuple[list[str], frozenset[int], int] | None:
    """Texts, indices of the right ones, and the one best (-1 for none)."""
    if fields.known("choices"):
        texts = fields.texts(row, "choices", least=2)
        label = fields.whole(row, "label", below=len(texts)) if texts else None
        return None if texts is None or label is None else (texts, frozenset({label}), label)
    if fields.known("scores"):
        scores = fields.scores(row, "scores")
        if scores is None:
            return None
        right = frozenset(k for k, score in enumerate(scores.values()) if score > 0)
        return list(scores), right, next(iter(right)) if len(right) == 1 else -1
    if fields.known("chosen") or fields.known("rejected"):
        chosen, rejected = fields.text(row, "chosen"), fields.text(row, "rejected")
        return None if chosen is None or rejected is None else ([chosen, rejected], _FIRST, 0)
    best, correct, incorrect = (
        fields.text(row, "best"),
        fields.texts(row, "correct"),
        fields.texts(row, "incorrect"),
    )
    if best is None or correct is None or incorrect is None:
        return None
    good = list(dict.fromkeys([best, *correct]))
    return [*good, *incorrect], frozenset(range(len(good))), 0


_FIRST = frozenset({0})
