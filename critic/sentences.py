"""Cuts model text at sentence ends, so that no answer stops in mid-sentence.

Which signs end a sentence follows the script (`files/words.py`); abbreviations are known for
English.
"""

from __future__ import annotations

import re

from ..files.words import SENTENCE_END, full_stop, spaced_ends, unspaced

INNER_STOPS: tuple[str, ...] = (". ", ".\n", "! ", "!\n", "? ", "?\n", "\n")
"""Stop strings that end one generated sentence (English, no abbreviations)."""

_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|Mr|Mrs|Ms|Dr|Prof|St|No|approx|cf)|\b[A-Z])$")
_BARE_MARKER = re.compile(r"^(?:\d+[.)]|[-*•#]+)$")


def _sentence_ends(line: str) -> list[int]:
    """Offsets just after each sentence of one line (abbreviations skipped)."""
    ends = []
    for match in SENTENCE_END.finditer(line):
        before = line[: match.start()]
        if match.group().startswith(".") and _ABBREVIATION.search(before):
            continue
        if _BARE_MARKER.match(line[: match.end()].strip()):
            continue  # "1." opens a list item, it ends nothing
        ends.append(match.end())
    return sorted({*ends, *spaced_ends(line)}) if unspaced(line) else ends


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, in order, stripped; a trailing fragment is the last.

    A line break always ends a sentence (list items have no full stop). Written for
    short answers: no quotation nesting, a handful of English abbreviations; in Thai and
    Lao, which have no full stop, a space ends a sentence.
    """
    sentences: list[str] = []
    for line in text.splitlines():
        start = 0
        for end in _sentence_ends(line):
            sentences.append(line[start:end].strip())
            start = end
        sentences.append(line[start:].strip())
    return [sentence for sentence in sentences if sentence]


def first_sentence(text: str) -> str:
    """The first sentence, ended by its script's full stop if it had no end of its own.

    An empty or marker-only text gives "", and so does one that only announces a list
    (ends in a colon).
    """
    sentences = split_sentences(text)
    if not sentences or not re.search(r"\w", sentences[0]) or sentences[0].endswith((":", "：")):
        return ""
    sentence = sentences[0].rstrip(" ,;:，；：、،")
    ended = sentence[-1:] in ".!?\"'”’)" or bool(_sentence_ends(sentence))
    return sentence if ended else sentence + full_stop(sentence)


def has_sentence_end(text: str) -> bool:
    """True if some sentence of the text ends with its own punctuation."""
    return any(_sentence_ends(line) for line in text.splitlines())


def ends_complete(text: str) -> bool:
    """True if the last line ends a sentence."""
    line = text.rstrip().splitlines()[-1] if text.strip() else ""
    ends = _sentence_ends(line)
    return bool(ends) and ends[-1] == len(line)


def trim(text: str, *, finished: bool, max_sentences: int | None = None) -> str:
    """The text cut to whole sentences.

    Args:
        text: What a model wrote.
        finished: True if the model ended it itself; then the last line stays even
            without a full stop (the last item of a list). False if it was cut.
        max_sentences: Keep at most this many sentences; None keeps all.

    Returns:
        The kept text with its line breaks. Dangling list markers and a last line
        that only announces something (ends in a colon) are dropped with the cut
        part. "" if no whole sentence is left.
    """
    kept: list[str] = []
    count = 0
    lines = text.rstrip().splitlines()
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        ends = _sentence_ends(line)
        open_tail = bool(line[ends[-1] if ends else 0 :].strip())
        if last and not finished and open_tail:
            line = line[: ends[-1]] if ends else ""
            open_tail = False
        size = len(ends) + open_tail
        if max_sentences is not None and count + size > max_sentences:
            room = max_sentences - count
            line = line[: ends[room - 1]] if 0 < room <= len(ends) else ""
            kept.append(line.rstrip())
            break
        kept.append(line.rstrip())
        count += size
    if finished and max_sentences is None:
        return "\n".join(kept).strip()
    while kept and (not kept[-1].strip() or _dangling(kept[-1])):
        kept.pop()
    return "\n".join(kept).strip()


def _dangling(line: str) -> bool:
    """True for a line that promises what was cut: a bare marker, or a colon at its end."""
    text = line.strip().strip("*_ ")
    return not text or text.endswith((":", "：")) or bool(_BARE_MARKER.match(text))
