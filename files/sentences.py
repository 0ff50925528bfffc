"""One table from what a validator found wrong to a sentence and a fix that a person can follow."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Said = tuple[str, str, str]
"""Problem code, message, fix."""

_NUMBERS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
)  # fmt: skip
_SAME: Final = {
    "too_much": "excess", "too_little": "deficit", "higher": "up", "more": "up", "lower": "down",
    "less": "down", "raw": "plain", "dpo": "sigmoid", "bad": "failing", "side": "pole",
    "up": "higher", "down": "lower", "license": "licence", "harmful": "at_risk",
    "risky": "at_risk", "benign": "twin", "harmless": "twin", "answer": "good",
    "timeout": "call_timeout", "lr": "learning_rate",
}  # fmt: skip
"""What people write -> our word for it; used only where that is one of the known ones."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """A fix that names the nearest known word, or all of them where few."""
    words = sorted(word for word in known if word)
    near = nearest(word, words)
    if near:
        return f"did you mean `{near}`?"
    if not words:
        return "remove it"
    shown = ", ".join(words[:20]) + (", ..." if len(words) > 20 else "")
    return f"use one of: {shown}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant; None where nothing is near."""
    words = sorted(known)
    same = _SAME.get(word.lower())
    if same in words:
        return same
    plain = re.sub(r"[\s-]+", "_", word.strip().lower())
    near = difflib.get_close_matches(plain, words, n=1, cutoff=0.6)
    near = near or difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return near[0] if near else None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a validator refused.

    Attributes:
        where: Its place as an author counts, such as `principles.2.weight`.
        got: The value in the file.
        raw: Its text in the file where it was not read as text, such as `no`; else None.
        ctx: Bounds and choices by the validator's names.
        text: The validator's own message.
        keys: Keys that may stand at this place, those that must stand there first.
        optional: True where `null` may stand there.
    """

    where: str
    got: object
    raw: str | None
    ctx: Mapping[str, Any]
    text: str
    keys: tuple[str, ...] = ()
    optional: bool = False


def sentence(kind: str, fault: Fault) -> Said:
    """Code, message and fix for one kind of validation error."""
    return _TABLE.get(kind, _own_words)(fault)


def shown(value: object, raw: str | None = None) -> str:
    """A value as its author wrote it, cut short; never in a programming language's spelling."""
    if raw:
        return raw
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{_cut(value)}'" if value else "empty"
    if isinstance(value, list | tuple):
        return f"the list [{_cut(', '.join(_inner(part) for part in value))}]"
    if isinstance(value, dict):
        return f"`{_cut(', '.join(f'{key}: {_inner(part)}' for key, part in value.items()))}`"
    return str(value)


def _inner(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[...]"
    return "..." if isinstance(value, dict) else shown(value).strip("'")


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is(fault: Fault) -> str:
    return f"`{fault.where}` is {shown(fault.got, fault.raw)}"


def _number_meant(got: object) -> float | None:
    """The number somebody meant who wrote `10%`, `0,1`, `"3"` or `three`."""
    if not isinstance(got, str):
        return got if isinstance(got, int | float) and not isinstance(got, bool) else None
    text = got.strip().lower()
    if text in _NUMBERS:
        return _NUMBERS.index(text)
    percent = text.endswith("%")
    try:
        number = float(text.rstrip("% ").replace(",", "."))
    except ValueError:
        return None
    return number / 100 if percent else number


def _or_none(fault: Fault) -> str:
    return ", or `null` for no limit" if fault.optional else ""


def _whole(fault: Fault) -> Said:
    number = _number_meant(fault.got)
    message = f"{_is(fault)}, but must be a whole number"
    if number is None:
        return "A006", message, f"write a whole number such as 8{_or_none(fault)}"
    quotes = " without quotes" if isinstance(fault.got, str) and fault.got.isdigit() else ""
    if quotes:
        message = f'`{fault.where}` is the text "{fault.got}", but must be a number'
    return "A006", message, f"write the whole number {number:.0f}{quotes}"


def _number(fault: Fault) -> Said:
    number = _number_meant(fault.got)
    fix = f"write a number such as 0.1{_or_none(fault)}"
    if number is not None:
        fix = f"write the number {number:g}, with a point and without other signs"
    return "A006", f"{_is(fault)}, but must be a number", fix


def _bound(words: str, key: str) -> Callable[[Fault], Said]:
    def said(fault: Fault) -> Said:
        bound = fault.ctx[key]
        limit = f"{bound:g}" if isinstance(bound, int | float) else str(bound)
        of = "of " if words.startswith("at") else ""
        fix = f"write a number {of}{words} {limit}"
        got = fault.got
        if key in ("ge", "gt") and isinstance(got, int | float) and bound == 0 > got:
            fix += f", such as {-got:g}"
        if key in ("le", "lt") and isinstance(got, int | float) and bound <= 1 < got <= 100:
            fix += f" ({got:g} percent is {got / 100:g})"
        return "A006", f"{_is(fault)}, but must be {words} {limit}", fix

    return said


def _truth(fault: Fault) -> Said:
    return "A006", f"{_is(fault)}, but must be true or false", "write true or false"


def _list(fault: Fault) -> Said:
    got = fault.got
    message = f"{_is(fault)}, but must be a list"
    if isinstance(got, dict):
        return "A006", message, "put a hyphen and a space (`- `) before each entry"
    if got is None or got == "":
        return "A006", message, f"list its entries: `{_last(fault)}: [...]`"
    return "A006", message, f"write it as a list: [{fault.raw or got}]"


def _last(fault: Fault) -> str:
    return fault.where.rsplit(".", 1)[-1]


def _text(fault: Fault) -> Said:
    got = fault.got
    if fault.raw is not None and not isinstance(got, str) and got is not None:
        meant = "a number" if isinstance(got, int | float) and not isinstance(got, bool) else ""
        meant = meant or f'"{shown(got)}"'
        message = f"`{fault.where}` must be text, but unquoted {fault.raw} is read as {meant}"
        return "A003", message, f'put it in quotes: "{fault.raw}"'
    if got is None:
        return "A003", f"`{fault.where}` is empty", "write its text"
    if isinstance(got, dict):
        message = f"`{fault.where}` must be text, but its `: ` makes YAML read a key and a value"
        return "A003", message, "put the text in quotes"
    if isinstance(got, list) and len(got) == 1 and isinstance(got[0], str):
        return "A006", f"{_is(fault)}, but must be text", f"write it without brackets: {got[0]}"
    return "A006", f"{_is(fault)}, but must be text", "write one text, without brackets or dashes"


def _empty(fault: Fault) -> Said:
    least = fault.ctx.get("min_length", 1)
    if fault.got == "":
        return "A006", f"`{fault.where}` is empty", "write its text"
    message = f"{_is(fault)}, which is shorter than {least} characters"
    if _last(fault) == "cite":
        return "A006", message, "write author, year, title and where it was published"
    return "A006", message, "write more"


def _long(fault: Fault) -> Said:
    most = fault.ctx["max_length"]
    message = f"`{fault.where}` is longer than {most} characters: {shown(fault.got)}"
    return "A006", message, f"shorten it to {most} characters or fewer"


def _pattern(fault: Fault) -> Said:
    """A name of the wrong form; which form, the pattern's own characters tell."""
    pattern, got = str(fault.ctx.get("pattern", "")), str(fault.got)
    parts = [part.strip() for part in re.split(r"[;,|/]", got) if part.strip()]
    if len(parts) > 1:
        fix = f"put a comma between the entries: {', '.join(parts)}"
        return "A006", f"{_is(fault)}, which is not one name", fix
    joiner = "-" if "(-" in pattern else "_"
    digits = "0-9" in pattern
    what = f"small letters a to z{', digits' if digits else ''} and `{joiner}`"
    name = re.sub(r"[^a-z0-9]+" if digits else r"[^a-z]+", joiner, got.lower()).strip(joiner)
    fix = f"use only {what}" + (f", such as {name}" if name and name[0].isalpha() else "")
    if fault.where.endswith("ref") or fault.where.startswith("contested_by"):
        name = name.replace("_", "")
        fix = f"write the work's key as `anlage show references` spells it: {name}"
    return "A006", f"{_is(fault)}, but a name here holds only {what}", fix


def _few(fault: Fault) -> Said:
    got, least = fault.ctx["actual_length"], fault.ctx["min_length"]
    fix = f"add {least - got}, each in other words" if got else f"write at least {least}"
    return "A006", f"`{fault.where}` has {got} of the {least} entries it needs", fix


def _mapping(fault: Fault) -> Said:
    got = fault.got
    named = ", ".join(f"`{key}:`" for key in fault.keys[:4])
    if fault.where == "the file":
        return _whole_file(fault)
    message = f"{_is(fault)}, but must have keys below it"
    if isinstance(got, list):
        return "A004", message, f"leave out the dash (`- `) before its keys, such as {named}"
    return "A004", message, f"write its keys below it, each on its own line: {named}"


def _whole_file(fault: Fault) -> Said:
    named = ", ".join(f"`{key}:`" for key in fault.keys[:4])
    begin = f"begin with {named}; `anlage new archetype NAME` writes a file to fill in"
    if "motive_system" not in fault.keys:
        begin = f"begin with its keys, such as {named}"
    if fault.got is None or fault.got == "":
        return "A025", "the file is empty: nothing in it can be read", f"write it; {begin}"
    if isinstance(fault.got, list):
        message = "the file is one list, but has to be keys with their values (`key: value` lines)"
        return "A004", message, f"write one {_thing(fault)}to a file, without dashes; {begin}"
    message = "the file is plain text, but has to be keys with their values (`key: value` lines)"
    return "A004", message, f"put a key before each text; {begin}"


def _thing(fault: Fault) -> str:
    return "archetype " if "motive_system" in fault.keys else ""


def _choice(fault: Fault) -> Said:
    expected = str(fault.ctx.get("expected", ""))
    words = [word.strip() for word in expected.replace(" or ", ", ").replace("'", "").split(",")]
    got = fault.got
    fix = suggestion(got if isinstance(got, str) else str(fault.raw or shown(got)), words)
    return "A005", _is(fault), fix


_WAY_OUT: Final = re.compile(
    r"(?P<what>.+?)(?:: |; |, )(?P<fix>(?:use|give|write|name|take|choose|lower|raise|add|remove|"
    r"put|set|make|leave)\b.*)",
    re.DOTALL,
)


def _own_words(fault: Fault) -> Said:
    """A check of ours: its sentence often says what to do; else the value is to be changed."""
    text = fault.text.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    found = _WAY_OUT.fullmatch(text)
    what, fix = (found["what"], found["fix"]) if found else (text, f"change `{_last(fault)}`")
    if text.startswith(("give ", "write ", "use ")):
        what, fix = f"{_is(fault)}, which cannot be used as it stands", text
    where = "" if f"`{fault.where}`" in what or fault.where == "the file" else f"`{fault.where}`: "
    return "A006", f"{where}{what}" if not what.startswith("`") else what, fix


def _unknown_word(fault: Fault) -> Said:
    return "A005", *_own_words(fault)[1:]


_TABLE: Final[Mapping[str, Callable[[Fault], Said]]] = {
    "string_type": _text,
    "string_too_short": _empty,
    "string_too_long": _long,
    "string_pattern_mismatch": _pattern,
    "too_short": _few,
    "literal_error": _choice,
    "unknown_word": _unknown_word,
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _whole),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _number),
    **dict.fromkeys(("bool_type", "bool_parsing"), _truth),
    **dict.fromkeys(("tuple_type", "list_type"), _list),
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dict_type", "dataclass_type"), _mapping
    ),
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("at most", "le"),
}
