"""How much an answer repeats itself: the first sign of a damaged small model."""

from __future__ import annotations

import re


def repeated_share(text: str, *, n: int = 3) -> float:
    """Share of word n-grams that occurred before in the same text.

    0.0 is no repetition; a sentence said twice is near 0.5. Case and
    punctuation are ignored. A text of fewer than `n` words has no n-grams and
    gets 0.0, so an empty answer does not count as repetitive (it counts as
    incoherent elsewhere). Not covered: repetition across answers.

    Args:
        text: Any text.
        n: Words per n-gram, at least 1.
    """
    words = re.findall(r"\w+", text.lower())
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
