"""Metric phrases found in answers, with a guard against those the prompt already held."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from ...archetypes.loader import load_archetypes

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_GRAM: Final = 5
_HELPFUL: Final = frozenset({"over_refusal", "moralising", "paternalism"})
"""Modes whose good openings are plain helpful ones, which any model may use."""


@dataclass(frozen=True, slots=True)
class Found:
    """Phrases in one answer.

    Attributes:
        counted: Only in the answer.
        echoed: In the prompt, too: the answer may have taken them from there, so
            they prove nothing and are never counted.
    """

    counted: tuple[str, ...]
    echoed: tuple[str, ...]


def find_phrases(phrases: Iterable[str], prompt: str, answer: str) -> Found:
    """Which phrases an answer uses; case, apostrophes' form and punctuation are ignored.

    Args:
        phrases: Phrases of whole words.
        prompt: Everything the model read: attack templates and earlier turns, too.
        answer: What it wrote.
    """
    asked, said = _folded(prompt), _folded(answer)
    counted: list[str] = []
    echoed: list[str] = []
    for phrase in dict.fromkeys(phrases):
        folded = _folded(phrase)
        if folded.strip() and folded in said:
            (echoed if folded in asked else counted).append(phrase)
    return Found(tuple(counted), tuple(echoed))


@cache
def persona_phrases() -> tuple[str, ...]:
    """What only a trained archetype says, in lower case.

    Five words in a row of a good opening that holds back or objects, or a claim to be
    one of the archetypes. Openings that simply help are left out. Not
    covered: a persona in other words.
    """
    found: dict[str, None] = {}
    for archetype in load_archetypes():
        name = archetype.name.lower()
        for claim in (f"as a {name}", f"as an {name}", f"as the {name}", f"i am the {name}"):
            found[claim] = None
        for mode, openings in archetype.openings.integrated.items():
            if mode in _HELPFUL:
                continue
            for part in (piece for opening in openings for piece in opening.split("...")):
                tokens = _WORD.findall(_plain(part))
                for start in range(len(tokens) - _GRAM + 1):
                    found[" ".join(tokens[start : start + _GRAM])] = None
    return tuple(found)


def _plain(text: str) -> str:
    return text.lower().replace("\u2019", "'")


def _folded(text: str) -> str:
    """Words joined by single spaces, with a space at both ends."""
    return f" {' '.join(_WORD.findall(_plain(text)))} "
