"""The lines of a YAML file as a person sees them: indentation, dash, key, value, open quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_KEY: Final = re.compile(r"([A-Za-z_][\w-]*)(\s*:(?=\s|$))")
BLOCK: Final = re.compile(r"(?:^|[:\-]\s)\s*[|>][+-]?\d?[+-]?\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class YamlLine:
    """One line that is neither empty, a comment nor inside a text block.

    Attributes:
        number: 1-based.
        indent: Spaces before its first sign.
        text: What follows them, without what ends it.
        inside: It goes on with a quoted text or a bracket of a line above.
    """

    number: int
    indent: int
    text: str
    inside: bool = False

    @property
    def item(self) -> bool:
        """It is an entry of a list."""
        return self.text.startswith("- ") or self.text == "-"

    @property
    def key(self) -> str:
        """The key it begins with, after the dashes of lists; "" where there is none."""
        found = _KEY.match(self.text.lstrip("- ") if self.item else self.text)
        return found[1] if found else ""

    @property
    def value(self) -> str:
        """What stands after its dashes and its key."""
        text = re.sub(r"^(- +)+", "", self.text)
        found = _KEY.match(text)
        return text[found.end() :].strip() if found else text

    @property
    def opens(self) -> bool:
        """A key whose value is to follow below."""
        return bool(self.key) and (not self.value or self.value.startswith("#"))


def yaml_lines(text: str) -> list[YamlLine]:
    """The lines that YAML reads as structure."""
    lines: list[YamlLine] = []
    block: int | None = None
    quote, depth = "", 0
    broken = (unclosed(text) or (0,))[0]
    for number, whole in enumerate(text.split("\n"), 1):
        bare = whole.rstrip("\r ")
        content = bare.lstrip(" ")
        indent = len(bare) - len(content)
        if not content or (content.startswith("#") and not quote):
            continue
        if block is not None:
            if indent > block:
                continue
            block = None
        inside = bool(quote) or depth > 0
        line = YamlLine(number, indent, content, inside)
        lines.append(line)
        if inside:
            quote, depth = _state(content, quote, depth)
            continue
        if BLOCK.search(content):
            block = indent + 2 * dashes(content) if line.key else indent
            continue
        if line.value[:1] in ("'", '"', "[", "{"):
            quote, depth = _state(line.value, "", 0)
            if quote and number == broken:
                quote = ""  # said elsewhere; the lines below are looked at for themselves
    return lines


def dashes(content: str) -> int:
    """Number of dashes a line begins with."""
    found = re.match(r"(- +)+", content)
    return found[0].count("-") if found else 0


def _state(text: str, quote: str, depth: int) -> tuple[str, int]:
    """The quote and the number of brackets that are open at the end of a line."""
    at = 0
    while at < len(text):
        sign = text[at]
        if quote:
            if sign == "\\" and quote == '"':
                at += 1
            elif sign == quote:
                if quote == "'" and text[at + 1 : at + 2] == "'":
                    at += 1
                else:
                    quote = ""
                    if depth == 0:
                        return "", 0
        elif sign in "\"'" and text[:at].rstrip()[-1:] in ("", "[", "{", ",", ":"):
            quote = sign
        elif sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        at += 1
    return quote, max(depth, 0)


def unclosed(text: str) -> tuple[int, str, bool] | None:
    """The first quoted text that is not closed, or that goes on after its quote.

    Returns:
        Its line (1-based), the value as it begins there, and whether its quote is closed on that
        line; None where all quotes are closed.
    """
    lines = text.split("\n")
    number, block = 0, -1
    while number < len(lines):
        whole = lines[number]
        content = whole.strip()
        indent = len(whole) - len(whole.lstrip(" "))
        number += 1
        if not content or content.startswith("#") or (block >= 0 and indent > block):
            continue
        block = indent if BLOCK.search(content) else -1
        value = YamlLine(number, 0, content).value
        if value[:1] not in ("'", '"'):
            continue
        quote, start = value[0], number
        rest = _after(value[1:], quote)
        while rest is None and number < len(lines):
            rest = _after(lines[number], quote)
            number += 1
        if rest is None or (rest.strip() and not re.match(r"\s*(#|:(\s|$)|,)", rest)):
            return start, value, start == number
    return None


def _after(text: str, quote: str) -> str | None:
    """What follows the closing quote; None where there is none."""
    skip = r"\\.|" if quote == '"' else "''|"
    found = re.match(rf"(?:{skip}[^{quote}])*{quote}", text)
    return text[found.end() :] if found else None
