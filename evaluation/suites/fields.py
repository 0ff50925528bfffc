"""Typed access to the columns of a suite's rows; every fault becomes a problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import Problem
from ...files.validation import suggestion
from .rows import Row

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
