"""Long answers about something else than what was asked, told by their words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from .features import normalise, words

COMMON: Final = Path(__file__).with_name("common_stems.txt")
"""Beginnings of words that say little about a topic, one a line; `judge_fit` writes it."""

MIN_WORDS: Final = 30
"""Shorter answers need not name what they are about."""
MIN_TOPIC: Final = 3
"""Times an answer must come back to a word of its own."""
_STEM: Final = 5
_COMMON_SHARE: Final = 0.01


def off_topic(prompt: str, answer: str) -> bool:
    """True where an answer shares no telling word with the prompt and has a topic of its own.

    A telling word has more than three letters and is rare in our own texts; words
    are compared by their first four letters. The answer must have 30 words and use
    a telling word that the prompt lacks three times. Made for few false alarms: 1 of
    285 real answers in the tuning half of `benchmarks/judge.md`. Not covered: short
    answers, answers that share a word by chance, and other languages.

    Args:
        prompt: The bare request; "" is never off topic.
        answer: What was written.
    """
    said = words(normalise(answer))
    if len(said) < MIN_WORDS:
        return False
    asked = _telling(words(normalise(prompt)))
    if not asked:
        return False
    heads = {word[: _STEM - 1] for word in said}
    if any(word[: _STEM - 1] in heads for word in asked):
        return False
    own = Counter(_telling(said))
    return max(own.values(), default=0) >= MIN_TOPIC


def common_stems(texts: Iterable[str]) -> list[str]:
    """Stems that stand in at least one of a hundred texts, sorted."""
    counts: Counter[str] = Counter()
    number = 0
    for text in texts:
        number += 1
        counts.update({word[:_STEM] for word in words(normalise(text))})
    return sorted(stem for stem, count in counts.items() if count >= _COMMON_SHARE * number)


def _telling(tokens: Iterable[str]) -> list[str]:
    common = _common()
    return [word[:_STEM] for word in tokens if len(word) > 3 and word[:_STEM] not in common]


@cache
def _common() -> frozenset[str]:
    return frozenset(COMMON.read_text(encoding="utf-8").split())
