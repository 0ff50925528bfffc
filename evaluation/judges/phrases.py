"""Metric phrases found in answers, with a guard against those the prompt already held."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from ...archetypes.loader import load_archetypes
from ...constitution.principle import Principle
from ...files.words import grams, units

_WORD: Final = r"[^\W_]+(?:'[^\W_]+)?"
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
def persona_phrases(principles: tuple[Principle, ...] = ()) -> tuple[str, ...]:
    """What only a trained archetype says, in lower case.

    Five words in a row of a good opening that holds back or objects, or a claim to be
    one of the archetypes: the shipped ones always, so that every model is held against
    them, and those of a run. Openings that simply help are left out. Not covered: a persona
    in other words.

    Args:
        principles: Of the run whose model is measured; its archetypes may be anybody's.
    """
    found: dict[str, None] = {}
    openings: list[tuple[str, str]] = []
    for archetype in load_archetypes():
        found |= dict.fromkeys(_claims(archetype.name))
        for mode, good in archetype.openings.integrated.items():
            openings += [(mode, opening) for opening in good]
        found |= dict.fromkeys(_grams(openings))
        openings = []
    for principle in principles:
        found |= dict.fromkeys(_claims(principle.archetype.replace("_", " ")))
        openings += [(principle.failure_mode, opening) for opening in principle.openings.good]
    return tuple(found | dict.fromkeys(_grams(openings)))


def persona_identity(principles: tuple[Principle, ...] = ()) -> str:
    """Hash of `persona_phrases`: two models are compared where the same ones were counted."""
    return hashlib.sha256("\n".join(persona_phrases(principles)).encode()).hexdigest()[:12]


def _claims(name: str) -> Iterator[str]:
    for claim in ("as a", "as an", "as the", "i am the"):
        yield f"{claim} {name.lower()}"


def _grams(openings: Iterable[tuple[str, str]]) -> Iterator[str]:
    for mode, opening in openings:
        if mode in _HELPFUL:
            continue
        for part in opening.split("..."):
            yield from (" ".join(gram) for gram in grams(_plain(part), _GRAM, _WORD))


def _plain(text: str) -> str:
    return text.lower().replace("\u2019", "'")


def _folded(text: str) -> str:
    """Words joined by single spaces, with a space at both ends."""
    return f" {' '.join(part for part, _ in units(_plain(text), _WORD))} "
