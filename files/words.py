"""Words and sentence ends by script: the one place that knows how a language is written.

A rule about lengths, sentences or shared words may not take for granted that words stand
between spaces and sentences end in a Latin full stop. Whatever counts words or cuts at a
sentence end asks here. Texts with spaces keep the words of the pattern that is asked for.
In scripts that put no space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese)
a word is a run of as many letters as a word has on average, so that limits given in words
mean about the same amount of text; rules on shared words look at every such run, because
where a word starts is not known. Vowel signs belong to the letter they follow.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Final

_IDEOGRAPHIC: Final = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9d\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_SPACELESS_ABUGIDAS: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\uaa60-\uaa7f"
_LETTERS: Final = (
    (re.compile(f"[{_IDEOGRAPHIC}]"), 2),
    (re.compile(f"[{_SPACELESS_ABUGIDAS}]"), 4),
)
"""Letters that make a word, on average, of the scripts without spaces."""
_UNSPACED: Final = re.compile(f"[{_IDEOGRAPHIC}{_SPACELESS_ABUGIDAS}]")
_PLAIN: Final = r"[\w'’]+"

SENTENCE_END: Final = re.compile(
    r"""(?:[.!?]+["'”’»)\]*]*(?=\s|$)"""  # Latin, Greek, Cyrillic, Korean, ...
    r"""|[।॥؟۔።፧။។៕։]+["'”’»)\]*]*(?=\s|$)"""  # Indic, Arabic, Ethiopic, Burmese, Khmer
    r"""|[。！？｡]+[」』”’）】》"')\]*]*)"""  # Chinese and Japanese: no space follows
)
"""A sentence's own end, with the quotes and brackets that close after it."""
_SPACED_THAI: Final = re.compile(r"[\u0e00-\u0eff](?=\s|$)")
_FULL_STOPS: Final = (
    (re.compile("[\u0900-\u0dff]"), "।"),
    (re.compile(f"[{_IDEOGRAPHIC}]"), "。"),
    (re.compile("[\u0600-\u06ff]"), "."),
    (re.compile("[\u1000-\u109f]"), "။"),
    (re.compile("[\u1780-\u17ff]"), "។"),
    (re.compile("[\u1200-\u139f]"), "።"),
    (re.compile("[\u0e00-\u0eff]"), ""),  # Thai and Lao end a sentence with a space alone
)


@cache
def _marks() -> str:
    """Signs that belong to the letter before them, which `re` takes for no part of a word."""
    signs = [
        chr(point)
        for point in range(0x300, min(0x1F000, sys.maxunicode))
        if unicodedata.category(chr(point)) in ("Mn", "Mc", "Me")
    ]
    return "".join(signs)


@cache
def _pattern(spaced: str) -> re.Pattern[str]:
    """The pattern for words with spaces between them, its words kept whole at signs."""
    signs = _marks()
    if spaced == _PLAIN:
        return re.compile(rf"[\w'’{signs}]+")
    return re.compile(rf"{spaced}(?:[{signs}]+(?:{spaced})?)*")


def unspaced(text: str) -> bool:
    """True if the text has a letter of a script that puts no space between words."""
    return bool(_UNSPACED.search(text))


def words(text: str, spaced: str = _PLAIN) -> list[str]:
    """The words of a text as it is written (lower the case first where that matters).

    Args:
        text: Any text.
        spaced: Pattern of a word where words stand between spaces.

    Example:
        >>> words("Don't go, 请不要去那里")
        ["Don't", 'go', '请不', '要去', '那里']
    """
    return _runs(text, spaced, lambda size, letters: range(0, letters, size))


def terms(text: str, spaced: str = _PLAIN) -> list[str]:
    """Words to compare sets of: without spaces, every run of letters as long as a word.

    Example:
        >>> terms("请不要去")
        ['请不', '不要', '要去']
    """
    return _runs(text, spaced, lambda size, letters: range(max(1, letters - size + 1)))


def _runs(text: str, spaced: str, starts: Callable[[int, int], range]) -> list[str]:
    """Words; where nothing parts them, runs of `size` letters from the places in `starts`."""
    found = _pattern(spaced).findall(text)
    if not unspaced(text):
        return found
    return [
        "".join(letters[start : start + size])
        for token in found
        for size, letters in _stretches(token)
        for start in starts(size, len(letters))
    ]


def units(text: str, spaced: str = _PLAIN) -> list[tuple[str, float]]:
    """The smallest parts that texts can share: words, or letters where no space parts words.

    Returns:
        Each part with how much of a word it is, in (0, 1].
    """
    return [
        (letter, 1 / size)
        for token in _pattern(spaced).findall(text)
        for size, letters in _stretches(token)
        for letter in letters
    ]


def grams(text: str, size: int, spaced: str = _PLAIN) -> list[tuple[str, ...]]:
    """Every run of `size` words; without spaces, every run of as many letters as they have.

    Args:
        text: Any text.
        size: Words in a run, at least 1.
        spaced: Pattern of a word where words stand between spaces.
    """
    parts = units(text, spaced)
    found = []
    for start in range(len(parts)):
        length, end = 0.0, start
        while end < len(parts) and length < size - 1e-9:
            length += parts[end][1]
            end += 1
        if length < size - 1e-9:
            break
        found.append(tuple(part for part, _ in parts[start:end]))
    return found


def full_stop(text: str) -> str:
    """The full stop that ends a sentence in the script of the text's last letter."""
    for letter in reversed(text):
        if letter.isalpha() or unicodedata.category(letter).startswith("M"):
            return next((stop for script, stop in _FULL_STOPS if script.match(letter)), ".")
    return "."


def spaced_ends(line: str) -> list[int]:
    """Where a Thai or Lao line may be cut: a space is all that ends a sentence there.

    The end of the line counts as such a place only if a space stands there.
    """
    return [match.end() for match in _SPACED_THAI.finditer(line) if match.end() < len(line)]


def _stretches(token: str) -> list[tuple[int, list[str]]]:
    """A token in stretches of one kind: letters a word has there, and the letters.

    What is written with spaces is a stretch of one letter, the whole of it.
    """
    if not unspaced(token):
        return [(1, [token])]
    found: list[tuple[int, list[str]]] = []
    for letter in token:
        size = next((size for script, size in _LETTERS if script.match(letter)), 1)
        if found and unicodedata.category(letter).startswith("M"):
            found[-1][1][-1] += letter
        elif found and found[-1][0] == size:
            if size == 1:
                found[-1][1][0] += letter
            else:
                found[-1][1].append(letter)
        else:
            found.append((size, [letter]))
    return found
