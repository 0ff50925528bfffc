"""The form of a check: what a failing and a keeping answer to one prompt contain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import prod
from typing import Final, Literal, cast, get_args

from .fields import Row, check_keys, read_text

Saying = Literal["yes", "no", "agrees", "disagrees", "unknown", "cannot", "model", "human"]
"""What an answer may say in many ways: a yes or a no as asked for, it agrees, it disagrees, it
does not know, it cannot, it is a program, it tells of a life as a person has one."""

MAX_PHRASE: Final = 120
"""Most characters of a phrase."""
MAX_PATTERN: Final = 200
"""Most characters of a pattern."""
MAX_STEPS: Final = 1000
"""Most ways in which a pattern may try to match at one place of an answer."""
MAX_PHRASES: Final = 40
"""Most phrases of one list, and most conditions of one side."""

_REPEAT = re.compile(
    r"\\.|\[(?:\\.|[^\]\\])*\]|(\?)|\{(\d{1,3}),(\d{1,3})\}|\{(\d{1,3})\}|(.)", re.S
)
_ODD_ESCAPE = re.compile(r"\\[^bBdDsSwW.?*+|()\[\]{}^$/\\-]")


@dataclass(frozen=True, slots=True)
class Condition:
    """What an answer must fulfil; everything that is given must hold.

    Phrases are whole words in any case; a trailing `*` lets a word go on.

    Attributes:
        any: At least one of these phrases occurs.
        all: Each of them occurs.
        none: None of them occurs.
        pattern: This pattern is found; see `pattern_fault` for what it may hold.
        affirms: One of these names or numbers stands in a clause that neither denies nor asks.
        denies: One of them stands in a clause that denies.
        claims: The answer says of itself one of these verbs (`I still remember`).
        does: One of these phrases occurs, and the answer does not say that it cannot.
        says: The answer says one of these in one of many known ways.
    """

    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    pattern: str = ""
    affirms: tuple[str, ...] = ()
    denies: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    does: tuple[str, ...] = ()
    says: tuple[Saying, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Every phrase and pattern in it, as written; `says` has none of its own."""
        lists = (self.any, self.all, self.none, self.affirms, self.denies, self.claims, self.does)
        return (*(text for each in lists for text in each), *filter(None, (self.pattern,)))


@dataclass(frozen=True, slots=True)
class Check:
    """Says of an answer to one prompt whether it shows the failure that threatens there.

    On an at-risk prompt that is the failure of its mode, on a twin the opposite one.

    Attributes:
        fails: The answer shows the failure where one of these holds.
        keeps: It does what it should where one of these holds.
        failing: Answers that fail, as written by hand; the check must agree.
        keeping: Answers that keep, as written by hand; the check must agree.
    """

    fails: tuple[Condition, ...]
    keeps: tuple[Condition, ...]
    failing: tuple[str, ...]
    keeping: tuple[str, ...]

    @property
    def texts(self) -> frozenset[str]:
        """Every phrase and pattern of both sides, in lower case."""
        return frozenset(
            text.casefold()
            for side in (self.fails, self.keeps)
            for one in side
            for text in one.texts
        )


_LISTS: Final = tuple(field.name for field in fields(Condition) if field.name != "pattern")


def read_check(data: dict[str, object], row: Row) -> Check | None:
    """The optional field `check` of a row; None where there is none, or a problem.

    The form is `{"fails": [condition, ...], "keeps": [...], "examples": {"fails": [answer, ...],
    "keeps": [...]}}`; a condition is an object with the fields of `Condition`.
    """
    if "check" not in data:
        return None
    value, before = data["check"], len(row.problems)
    if not isinstance(value, dict):
        _wrong(row, "'check' must be an object.", "write its fails, keeps and examples.")
        return None
    keys = ("fails", "keeps", "examples")
    check_keys(value, keys, keys, row)
    examples = value.get("examples", {})
    if not isinstance(examples, dict):
        _wrong(row, "'examples' must be an object.", "give answers that fail and that keep.")
        examples = {}
    check_keys(examples, keys[:2], keys[:2], row)
    check = Check(
        fails=_side(value, "fails", row),
        keeps=_side(value, "keeps", row),
        failing=_texts(examples, "fails", row, longest=4000),
        keeping=_texts(examples, "keeps", row, longest=4000),
    )
    return None if len(row.problems) > before else check


def pattern_fault(pattern: str) -> str:
    r"""Why a pattern is refused, or "" where it is not.

    A pattern may hold characters, classes such as `[a-z]` or `\d`, `|`, plain groups, `?` and
    counted repeats such as `{0,20}`. Repeats without an end (`*`, `+`), repeated groups,
    references and look-around are refused: they can take time that grows without bound.
    What is left is bounded by its size and by the ways to match at one place, so that a
    verdict needs no clock and is the same on every machine.
    """
    if len(pattern) > MAX_PATTERN:
        return f"the pattern has {len(pattern)} characters; at most {MAX_PATTERN} are allowed"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"the pattern cannot be read: {error}"
    if odd := _ODD_ESCAPE.search(pattern):
        return f"the pattern holds {odd.group()!r}, which is not allowed"
    choices, last = [1], ""
    for found in _REPEAT.finditer(pattern.replace("(?:", "(")):
        optional, low, high, exact, other = found.groups()
        if other in ("*", "+"):
            return f"the pattern repeats without an end ({other!r})"
        if optional and last in ("(", "?", "}"):
            return "the pattern holds a special group or a lazy repeat"
        if (low or exact) and last == ")":
            return "the pattern repeats a group"
        if optional:
            choices.append(2)
        elif low:
            choices.append(int(high) - int(low) + 1)
        elif other == "|":
            choices.append(2)
        last = "?" if optional else "}" if low or exact else other or "x"
    if prod(choices) > MAX_STEPS:
        return f"the pattern can match in {prod(choices)} ways; at most {MAX_STEPS} are allowed"
    return ""


def _wrong(row: Row, message: str, fix: str) -> None:
    row.report("P070", message, fix)


def _side(value: dict[str, object], key: str, row: Row) -> tuple[Condition, ...]:
    side = value.get(key, [])
    if not isinstance(side, list) or not side or len(side) > MAX_PHRASES:
        if key in value:
            _wrong(row, f"'{key}' must be a list of 1 to {MAX_PHRASES} conditions.", "write one.")
        return ()
    found = [_condition(item, key, row) for item in side]
    return tuple(condition for condition in found if condition is not None)


def _condition(value: object, side: str, row: Row) -> Condition | None:
    if not isinstance(value, dict) or not value:
        _wrong(row, f"a condition of '{side}' must be an object that holds something.", "")
        return None
    known = tuple(field.name for field in fields(Condition))
    check_keys(value, (), known, row)
    lists = {key: _texts(value, key, row) for key in _LISTS if key in value}
    for saying in lists.get("says", ()):
        if saying not in get_args(Saying):
            _wrong(row, f"unknown saying {saying!r}.", f"use {', '.join(get_args(Saying))}.")
    pattern = read_text(value, "pattern", row)
    if pattern and (fault := pattern_fault(pattern)):
        row.report("P071", f"{fault}.", "use counted repeats such as {0,20}, or phrases.")
        return None
    says = cast("tuple[Saying, ...]", lists.pop("says", ()))
    condition = Condition(pattern=pattern, says=says, **lists)
    for fault in _never(condition):
        row.report("P072", f"a condition of '{side}' can never hold: {fault}.", "remove one.")
    if set(value) == {"none"}:
        message = f"a condition of '{side}' holds for nearly every answer: it only says `none`."
        row.report("P073", message, "say what the answer must contain, too.")
    return condition


def _never(condition: Condition) -> Iterator[str]:
    """Phrases that are wanted and forbidden at once."""
    banned = {text.casefold() for text in condition.none}
    for text in condition.all:
        if text.casefold() in banned:
            yield f"{text!r} is in `all` and in `none`"
    for name in ("any", "affirms", "denies", "claims", "does"):
        wanted = {text.casefold() for text in getattr(condition, name)}
        if wanted and wanted <= banned:
            yield f"all of `{name}` is in `none`"


def _texts(
    value: dict[str, object], key: str, row: Row, *, longest: int = MAX_PHRASE
) -> tuple[str, ...]:
    texts = value.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        _wrong(row, f"'{key}' must be a list of texts.", "put each text into [ ].")
        return ()
    if not 0 < len(texts) <= MAX_PHRASES or not all(
        re.search(r"\w", text) and len(text) <= longest for text in texts
    ):
        if key in value:
            size = f"1 to {MAX_PHRASES} texts of 1 to {longest} characters with a letter or digit"
            _wrong(row, f"'{key}' must hold {size}.", "shorten or fill it.")
        return ()
    return tuple(texts)
