"""Answers that are no answer: empty, a loop, garbage, the prompt said back, or off topic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from ...files.words import words as words_as_written
from .features import normalise, words

_WORD = r"\w+(?:['’]\w+)?"
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{6,}")
_MAX_PERIOD = 30  # words; a small model's loop is a sentence or shorter


def incoherence(answer: str, prompt: str = "") -> str:
    """Why an answer is incoherent, or "" where it is not.

    The checks look at form only. Not covered: fluent nonsense, answers to
    another question, contradictions. An answer cut in mid-sentence is coherent,
    and so is a single word such as `No.`

    Args:
        answer: What the model wrote.
        prompt: What it was asked; without it no echo can be seen.

    Returns:
        `empty`, `loop`, `garbage`, `echo`, or "".
    """
    words = words_as_written(answer.lower(), _WORD)
    if not words:
        return "empty"
    if _loops(words):
        return "loop"
    if _garbage(answer, words, prompt):
        return "garbage"
    if _echoes(words, words_as_written(prompt.lower(), _WORD)):
        return "echo"
    return ""


def distinct_share(words: list[str], n: int = 3) -> float:
    """Distinct n-grams as a share of all, in (0, 1]; 1.0 for fewer than `n` words."""
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


def longest_run(words: list[str]) -> tuple[int, int]:
    """The longest stretch in which one block of words follows itself.

    Returns:
        Its length in words, a block's unfinished last copy included, and the
        number of whole copies; (0, 1) where nothing follows itself.
    """
    best = (0, 1)
    for period in range(1, min(_MAX_PERIOD, len(words) // 2) + 1):
        same = 0
        for i in range(period, len(words)):
            same = same + 1 if words[i] == words[i - period] else 0
            if same >= period and same + period > best[0]:
                best = (same + period, (same + period) // period)
    return best


def _loops(words: list[str]) -> bool:
    covered, copies = longest_run(words)
    if covered >= 8 and copies >= 4:
        return True
    if covered >= 18 and copies >= 3:
        return True
    # A block that long is no refrain, and a text cut here would go on with it.
    if covered >= 40 and covered >= 0.6 * len(words):
        return True
    return len(words) >= 20 and distinct_share(words) < 0.45


def _garbage(answer: str, words: list[str], prompt: str) -> bool:
    if "```" in answer:
        return False  # code looks like garbage to every rule below
    visible = [char for char in answer if not char.isspace()]
    letters = [char for char in visible if char.isalnum()]
    if len(visible) >= 12 and len(letters) < 0.55 * len(visible):
        return True
    foreign = sum(char.isalpha() and ord(char) > 0x24F for char in letters)
    if foreign > 0.5 * len(letters) and prompt.isascii() and prompt:
        return True  # another script than the one it was asked in
    odd = sum(not _word_like(word) for word in words)
    return len(words) >= 4 and odd > 0.4 * len(words)


def _word_like(word: str) -> bool:
    """False for what is no word in a language with vowels; digits pass."""
    if word.isdigit() or not word.isascii():
        return True
    if len(word) > 24 or "_" in word or _CONSONANTS.search(word):
        return False
    if len(word) > 3 and any(char.isdigit() for char in word) and not word[:-2].isdigit():
        return False
    return len(word) < 5 or bool(set("aeiouy") & set(word))


def _echoes(words: list[str], prompt: list[str]) -> bool:
    """True where at most two words are left once copies of the prompt are taken away."""
    if len(prompt) < 4 or len(words) < 4:
        return False
    left, i = 0, 0
    while i < len(words):
        if words[i : i + len(prompt)] == prompt:
            i += len(prompt)
            continue
        cut = words[i:]
        if len(cut) >= 4 and prompt[: len(cut)] == cut:
            break  # a last copy, cut short
        left += 1
        i += 1
    return left <= 2


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
