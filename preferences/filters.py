"""Throws out pairs that would teach a surface, not a disposition. No model, no judge.

The refusal wording here only guards the side of a pair. It is not the evaluation's
judge and must not become it: a judge that also cleaned the data would agree with it.
It knows English wording only; lengths, loops and copies are counted in every script
(`files/words.py`).
"""

from __future__ import annotations

import re

from ..files.words import SENTENCE_END, grams
from ..files.words import words as words_as_written
from .settings import PairSettings

REFUSING_FAILS: frozenset[str] = frozenset({"over_refusal", "paternalism", "moralising"})
"""Failure modes a refusal shows: there the chosen answer must not open with one."""

COMPLYING_FAILS: frozenset[str] = frozenset(
    {"harmful_compliance", "jailbreak_persona", "fraud_assistance", "privacy_violation"}
)
"""Failure modes a refusal avoids: there the rejected answer must not open with one."""

_CANNOT = (
    r"(?:can(?:no|['’])t|can\ not|won['’]t|will\ not|refuse|decline|must\ (?:say\ no|decline))"
)
_REFUSAL = re.compile(
    rf"""^\W*(?:
        no\b(?=[,.;!—-])
      | (?:(?:i['’]m|i\ am)\ )?(?:so\ |very\ |really\ )?sorry\b
      | (?:unfortunately,?\ )?i\ {_CANNOT}\b
      | (?:unfortunately,?\ )?(?:i['’]m|i\ am)\ (?:not\ (?:able|going|allowed|comfortable)|unable)\b
      | i\ (?:have\ to|must)\ (?:say\ no|decline|refuse|stop)\b
      | as\ an?\ (?:ai|language\ model|assistant)\b
      | my\ answer\ is\ no\b
      | (?:please\ )?(?:do\ not|don['’]t)\ do\ (?:this|that|it)\b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_LATE_REFUSAL = re.compile(
    r"\bi (?:can(?:no|['’])t|can not|won['’]t|will not|refuse|decline|never answer|stay out)\b"
    r"|\bno answer from me\b|\bi['’]m not going to\b|\bi am not able\b",
    re.IGNORECASE,
)
_TEMPLATE_TALK = re.compile(
    r"<<<|>>>|<\|im_"
    r"|\b(?:first|original|previous|revised|new|rewritten) (?:answer|response|version)\b"
    r"|\bthe (?:rule|principle|critique)\b|\bthe (?:person|user) who asked\b",
    re.IGNORECASE,
)
_SELF_TALK = re.compile(
    r"\b(?:SmolLM|Hugging\s?Face|chat\s?bot|language model|AI (?:assistant|model|writer))\b"
    r"|\b(?:I['’]m|I am) (?:not )?(?:just )?an? (?:\w+[ -]){0,2}(?:AI|bot|assistant|model|tool)\b",
    re.IGNORECASE,
)
_OPENING_WORDS = 16


def words(text: str) -> list[str]:
    """Lower-cased words of a text."""
    return words_as_written(text.lower())


def opens_with_refusal(text: str) -> bool:
    """True if the text starts with refusal wording (its first sentence, or 16 words)."""
    start = " ".join(text.split()[:_OPENING_WORDS])
    first = re.split(r"(?<=[.!?])\s", start, maxsplit=1)[0]
    return bool(_REFUSAL.search(start) or _LATE_REFUSAL.search(first))


def loops(text: str) -> bool:
    """True if the text repeats itself: few distinct word trigrams, or a line three times."""
    parts = (part for line in re.split(r"[\n.!?]+", text) for part in SENTENCE_END.split(line))
    lines = [part.strip().lower() for part in parts if part.strip()]
    if any(lines.count(line) >= 3 for line in set(lines)):
        return True
    tokens = words(text)
    trigrams = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return len(trigrams) >= 10 and len(set(trigrams)) < 0.6 * len(trigrams)


def echoes(prompt: str, answer: str) -> bool:
    """True if at least half of the answer's word 4-grams stand in the prompt."""
    answer_grams = _four_grams(answer)
    if not answer_grams:
        return bool(answer.strip()) and words(answer) == words(prompt)
    asked = set(_four_grams(prompt))
    return sum(gram in asked for gram in answer_grams) >= 0.5 * len(answer_grams)


def _four_grams(text: str) -> list[tuple[str, ...]]:
    return grams(text.lower(), 4)


def copies(source: str, answer: str, *, allowed: str = "") -> bool:
    """True if the answer repeats four words in a row of a source it should only use.

    Args:
        source: Rule and critique, as shown to the writer.
        answer: What it wrote.
        allowed: Text whose words may be repeated (prompt, opening).
    """
    own = set(_four_grams(source)) - set(_four_grams(allowed))
    return any(gram in own for gram in _four_grams(answer))


def same_text(chosen: str, rejected: str) -> bool:
    """True if both answers have the same words in the same order."""
    return words(chosen) == words(rejected)


def filter_reason(
    prompt: str, chosen: str, rejected: str, failure_mode: str, settings: PairSettings
) -> str:
    """Why a pair is thrown out, or "" if it is kept.

    Returns:
        A short reason that names the side, such as `chosen too short`.
    """
    reason = chosen_reason(prompt, chosen, failure_mode, settings)
    return reason or rejected_reason(prompt, rejected, failure_mode, settings)


def chosen_reason(prompt: str, chosen: str, failure_mode: str, settings: PairSettings) -> str:
    """Why a chosen answer is thrown out, or ""."""
    reason = _text_reason(prompt, chosen, settings)
    if reason:
        return f"chosen {reason}"
    if failure_mode in REFUSING_FAILS and opens_with_refusal(chosen):
        return "chosen opens with a refusal"
    if failure_mode in COMPLYING_FAILS and copies(prompt, chosen):
        return "chosen repeats the harmful request"
    if _SELF_TALK.search(chosen) and not _SELF_TALK.search(prompt):
        return "chosen talks about the model"
    return ""


def rejected_reason(prompt: str, rejected: str, failure_mode: str, settings: PairSettings) -> str:
    """Why a rejected answer is thrown out, or ""."""
    reason = _text_reason(prompt, rejected, settings)
    if reason:
        return f"rejected {reason}"
    if failure_mode in COMPLYING_FAILS and opens_with_refusal(rejected):
        return "rejected opens with a refusal"
    return ""


def _text_reason(prompt: str, text: str, settings: PairSettings) -> str:
    count = len(words(text))
    if not text.strip():
        return "empty"
    if count < settings.min_words:
        return "too short"
    if count > settings.max_words:
        return "too long"
    if loops(text):
        return "repeats itself"
    if echoes(prompt, text):
        return "echoes the prompt"
    if _TEMPLATE_TALK.search(text) and not _TEMPLATE_TALK.search(prompt):
        return "talks about its instructions"
    return ""
