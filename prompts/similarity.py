"""Measures how alike two texts are by content words, and finds near-duplicates fast."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..files.words import terms

NEAR_DUPLICATE: Final = 0.6
"""Jaccard index of content words, in [0, 1], from which on two prompts count as the same."""

# Words that carry the form of a sentence, not what it is about.
_FORM_WORDS: Final = """
    a about after all also am an and any are as at be been before but by can could did do does
    for from get had has have he her hers him his how i i'd i'll i'm if in into is it its just let
    me my no not of off on one or our out over she should so some than that the their them then
    there these they this to too up us was we were what when where which while who whom whose why
    will with would you your write tell give make help show explain list want need
"""
_STOPWORDS: Final = frozenset(_FORM_WORDS.split())
_WORD: Final = r"\w+(?:['’]\w+)?"


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the line it was read from (0: the whole file)."""

    text: str
    file: str
    line: int


Near = tuple[int, int, float]
"""Index of the earlier text, index of the later one, their Jaccard index."""


def words(text: str) -> tuple[str, ...]:
    """The words of a text, in lower case; without spaces, every run of a word's length."""
    return tuple(terms(text.lower(), _WORD))


def content(tokens: Iterable[str]) -> frozenset[str]:
    """The words that say what a text is about; all of them where there are no others."""
    every = frozenset(tokens)
    return every - _STOPWORDS or every


def near_duplicates(
    texts: Sequence[frozenset[str]], others: Sequence[frozenset[str]] | None = None
) -> Iterator[Near]:
    """Every two texts with a Jaccard index of at least `NEAR_DUPLICATE`.

    Exact: two such sets must share a word among the rarest few of each (prefix
    filtering, Bayardo, Ma and Srikant 2007), so that common words, which nearly
    every text has, are never looked up.

    Args:
        texts: Content words of each text.
        others: Compare `texts` with these only, not with each other; the second
            index of a result then counts `others`.

    Yields:
        Indices and the Jaccard index in [0.6, 1], by second index, then first.
    """
    frequency = Counter(word for text in texts for word in text)
    holders: dict[str, list[int]] = defaultdict(list)
    if others is not None:
        for index, text in enumerate(texts):
            for word in _rarest(text, frequency):
                holders[word].append(index)
    for index, text in enumerate(texts if others is None else others):
        prefix = _rarest(text, frequency)
        for earlier in sorted({number for word in prefix for number in holders.get(word, ())}):
            common = len(text & texts[earlier])
            share = common / (len(text) + len(texts[earlier]) - common)
            if share >= NEAR_DUPLICATE:
                yield earlier, index, share
        if others is None:
            for word in prefix:
                holders[word].append(index)


def _rarest(text: frozenset[str], frequency: Counter[str]) -> list[str]:
    """The words of which a near-duplicate must have at least one."""
    ordered = sorted(text, key=lambda word: (frequency[word], word))
    return ordered[: len(text) - math.ceil(NEAR_DUPLICATE * len(text) - 1e-9) + 1]
