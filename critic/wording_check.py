"""Is a proposed sentence a rewording at all? What the linter cannot know is asked here."""

from __future__ import annotations

import re

from ..constitution.wording import content_words, jaccard

MIN_SHARED = 0.15
"""Least share of content words with the old text (Jaccard); below, it is another rule."""
MAX_WORDS = 60
_CHAT = re.compile(
    r"(?:sure|certainly|of course|here(?:'s| is| are)|okay|ok|the rule|rule|prohibition|situation|"
    r"revised|rewritten|as an ai|i am|i'm|i can|i will|i would)\b",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[*_`#<>{}\[\]|]|https?:")


def tidy(text: str) -> str:
    """One line, without quotes around it."""
    line = " ".join(text.split())
    if len(line) > 1 and line[0] in "\"'“" and line[-1] in "\"'”":
        line = line[1:-1].strip()
    return line


def unfit(old: str, new: str) -> str:
    """Why a proposal is no rewording of the old text, or ""."""
    if not new:
        return "empty"
    if tidy(old).rstrip(".").lower() == new.rstrip(".").lower():
        return "the same text again"
    if _CHAT.match(new):
        return "talk about the rule, not the rule"
    if _MARKUP.search(new) or not new.isprintable():
        return "markup or special signs"
    if len(new.split()) > MAX_WORDS:
        return f"more than {MAX_WORDS} words"
    if new[-1] not in ".!":
        return "no whole sentence"
    sentences = [part.strip().lower() for part in re.split(r"(?<=[.!])\s", new)]
    if len(set(sentences)) < len(sentences):
        return "repeats itself"
    if jaccard(content_words(old), content_words(new)) < MIN_SHARED:
        return "about something else"
    return ""
