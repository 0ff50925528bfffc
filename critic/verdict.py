r"""Reads what a critic decided from what it wrote.

The rule: a verdict is read from where it is *stated*, never from the first letter that
occurs. A structured statement (JSON, `[[B]]`, `\boxed{B}`, `Verdict: B`) counts before
prose, the last one of its kind before earlier ones, and prose that speaks for both sides
is no verdict. What cannot be read for certain is None: an abstention, never a label.

Not covered: irony, and languages other than those whose words stand below.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

Choice = Literal["A", "B", "tie"]

_ALIKE = str.maketrans({"А": "A", "В": "B", "Α": "A", "Β": "B", "а": "a", "в": "b"})
_MARKUP = re.compile(r"[*_`#~]+|</?[a-zA-Z]+>|^\s*>+", re.MULTILINE)
_KEYS = ("verdict", "choice", "better", "winner", "preferred", "preference", "answer", "decision")
_ANSWER = r"(?:(?:the\s+)?(?:answer|option|response|assistant|choice|antwort|r[ée]ponse|respuesta|"
_ANSWER += r"risposta|ответ)\s*)?"
_LETTER = rf"{_ANSWER}[\"'“‘(\[]*(?P<letter>(?-i:[AB]))(?![\w'’])[\"'”’)\]]*"
_TIE_WORDS = re.compile(
    r"\b(?:a |it'?s a |is a )?(?:tie|draw)\b|\bequally (?:good|bad|well|safe|helpful)\b"
    r"|\bneither (?:answer )?(?:A nor B )?is better\b|\bboth (?:answers )?are (?:equal|the same)",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"(?:\bfinal (?:answer|verdict|decision|choice)|\bverdict|\bdecision|\bwinner|\bmy (?:choice|"
    r"pick|answer)|\bbetter(?: answer)?|\bchoice|\banswer|\bpreferred|\burteil|答案|回答|结论)"
    rf"\s*(?:is|:|=|ist|是|：)\s*(?:{_LETTER}|(?P<tie>(?:a )?(?:tie|draw)\b))",
    re.IGNORECASE,
)
_BOXED = re.compile(
    r"\\boxed\s*\{\s*(?:\\text\s*\{)?\s*(?P<boxed>[ABC]|tie)\s*\}"
    r"|\[\[\s*(?P<square>[ABC]|tie)\s*\]\]",
    re.IGNORECASE,
)
_FOR = [
    re.compile(text, re.IGNORECASE)
    for text in (
        rf"\bI(?:'d|'ll| would| will| must| have to)?\s+(?:prefer|choose|pick|select|favou?r|"
        rf"vote for|go with|opt for|say)\s+{_LETTER}",
        rf"(?:^|[\s(,;:]){_LETTER}\s+(?:is|was|seems|looks|ist|es|est|è)\s+(?:clearly |much |far |"
        r"slightly |the |a bit |deutlich |la )*(?:better|best|safer|preferable|superior|winner|"
        r"stronger|preferred|besser|bessere|mejor|meilleure?|migliore)(?! than the other)",
        rf"(?:^|[\s(,;:]){_LETTER}\s+(?:wins|beats|does better|keeps the rule)\b",
        rf"\bthe better (?:answer|one|response|option)(?: here)? (?:is|would be|:)\s*{_LETTER}",
        rf"(?:^|[\s,;.])(?:so|thus|hence|therefore|overall|in conclusion|in the end)[,:]?\s+"
        rf"(?:it is |it's |I say )?{_LETTER}\s*(?=[.!]|$)",
        rf"{_LETTER}\s*>\s*(?:answer\s*)?[AB]\b",
        r"(?P<letter>(?-i:[AB]))\s*更好",
    )
]
_AGAINST = [
    re.compile(text, re.IGNORECASE)
    for text in (
        rf"(?:^|[\s(,;:]){_LETTER}\s+(?:is|was|seems|ist)\s+(?:clearly |much |far |the |slightly |"
        r"deutlich )*(?:worse|worst|inferior|weaker|harmful|unsafe|schlechter)\b",
        rf"(?:^|[\s(,;:]){_LETTER}\s+(?:loses|breaks the rule|violates the rule|is not better|"
        r"isn't better|is no better)\b",
        rf"(?:^|[\s(,;:]){_LETTER}\s*<\s*(?:answer\s*)?[AB]\b",
        rf"(?:^|[.!?,;]\s*)not\s+{_LETTER}\s*(?=[.,;!]|$)",
        rf"\b(?:reject|dislike|rule out)\s+{_LETTER}",
    )
]
_WHOLE = re.compile(rf"^[\s\"'“(\[:]*{_LETTER}\s*[.!:,;)\]]*\s*$", re.IGNORECASE)
_LEADING = re.compile(
    rf"^[\s\"'“(\[:]*{_LETTER}\s*(?:[.:;,)\]–—-]+\s|\n|(?=(?:because|since|as it|weil|porque)\b))",
    re.IGNORECASE,
)
_OTHER: dict[str, Choice] = {"A": "B", "B": "A"}


def read_choice(text: str) -> Choice | None:
    """Which of answers A and B a critic calls better; None where it does not say.

    Args:
        text: What the critic wrote, reasoning left out. Homoglyphs (Cyrillic, Greek,
            full width) are read as the letters they look like.
    """
    plain = _plain(text)
    found = _from_json(text, _KEYS)
    if found is not None:
        return _as_choice(found)
    for structured in (_last_boxed(plain), _last_labelled(plain)):
        if structured is not None:
            return structured
    whole = _WHOLE.match(plain)
    if whole is not None:
        return _letter(whole)
    return _from_prose(plain)


def read_severity(text: str) -> int | None:
    """The severity 0 to 3 that a critic gives; None where it states no such number.

    A decimal (`0.9`), a number beyond the scale (`10`, `-1`), a range (`1-2`) and a choice
    (`2 or 3`) are none. `2/3` and `2 out of 3` are 2.
    """
    value = _from_json(text, ("severity", "score", "verdict", "rating"))
    if value is not None:
        whole = isinstance(value, int | float) and not isinstance(value, bool)
        return int(value) if whole and value in (0, 1, 2, 3) else _lone_digit(str(value))
    plain = _plain(text)
    labelled = list(_SCORE_LABEL.finditer(plain))
    if labelled:
        return _lone_digit(plain[labelled[-1].end() :])
    return _lone_digit(plain)


_SCORE_LABEL = re.compile(
    r"\b(?:severity|score|rating|verdict|final answer)\s*(?:is|of|:|=)\s*", re.IGNORECASE
)
_DIGIT = re.compile(
    r"[\s\"'(\[:]*(?P<digit>[0-3])(?:\s*(?:/|out of|of)\s*3)?"
    r"(?!\d|[.,]\d|\s*/|\s*%|\s*(?:[-–]|or|to)\s*\d)"
)


def find_quote(reason: str, answer: str) -> str:
    """The first quoted passage of a reason, as it stands in the answer, or "".

    A quotation of marks alone (`"..."`) quotes nothing.
    """
    for match in _QUOTED.finditer(reason):
        words = match.group(1).strip(" .,…")
        if len(re.sub(r"\W", "", words)) < 2:
            continue
        at = answer.lower().find(words.lower())
        if at >= 0:
            return answer[at : at + len(words)]
    return ""


_QUOTED = re.compile(r"[\"“«]([^\"“”«»]{2,200})[\"”»]")


def choice_share(choice: Choice | None) -> float:
    """1.0 for A, 0.0 for B, 0.5 for a tie, NaN for none."""
    return math.nan if choice is None else {"A": 1.0, "B": 0.0, "tie": 0.5}[choice]


def _plain(text: str) -> str:
    """The text without markup, in compatible letters."""
    folded = unicodedata.normalize("NFKC", text).translate(_ALIKE)
    return _MARKUP.sub("", folded).strip()


def _from_json(text: str, keys: tuple[str, ...]) -> object:
    """The value of the last JSON object that has one of the keys; None where none has."""
    found: object = None
    for start in (at for at, mark in enumerate(text) if mark == "{"):
        try:
            value, _ = json.JSONDecoder().raw_decode(text[start:])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            lower = {str(key).lower(): item for key, item in value.items()}
            found = next((lower[key] for key in keys if lower.get(key) is not None), found)
    return found


def _as_choice(value: object) -> Choice | None:
    plain = _plain(str(value))
    if _TIE_WORDS.search(plain) or plain.lower() in {"c", "equal", "same"}:
        return "tie"
    whole = _WHOLE.match(plain.upper() if len(plain) == 1 else plain)
    return _letter(whole) if whole else None


def _letter(match: re.Match[str]) -> Choice:
    return "A" if match.group("letter").upper() == "A" else "B"


def _last_boxed(plain: str) -> Choice | None:
    found = [m.group("boxed") or m.group("square") for m in _BOXED.finditer(plain)]
    return _as_choice(found[-1]) if found else None


def _last_labelled(plain: str) -> Choice | None:
    found = [m for m in _LABELLED.finditer(plain) if not _goes_on(plain, m)]
    if not found:
        return None
    last = found[-1]
    return "tie" if last.group("tie") else _letter(last)


def _goes_on(plain: str, match: re.Match[str]) -> bool:
    """Whether the letter begins a statement about the answers instead of naming one."""
    after = plain[match.end() :]
    return bool(re.match(r"\s*(?:/|\bor\b|\band\b|is\b|are\b|would\b|breaks\b|keeps\b)", after))


def _from_prose(plain: str) -> Choice | None:
    """What the sentences say: all of one mind, or the last conclusion, or nothing."""
    votes = set(_statements(plain))
    leading = _LEADING.match(plain)
    if leading is not None:
        votes.add(_letter(leading))
    if _TIE_WORDS.search(plain):
        votes.add("tie")
    return votes.pop() if len(votes) == 1 else None


def _statements(plain: str) -> Iterator[Choice]:
    for pattern in _FOR:
        for match in pattern.finditer(plain):
            if not _denied(plain[: match.start("letter")]):
                yield _letter(match)
    for pattern in _AGAINST:
        for match in pattern.finditer(plain):
            yield _OTHER[_letter(match)]


def _denied(before: str) -> bool:
    """Whether what stands right before takes the statement back."""
    return bool(
        re.search(r"\b(?:not|never|neither|don't|wouldn't|if|whether)\W+(?:\w+\W+){0,2}$", before)
    )


def _lone_digit(text: str) -> int | None:
    match = _DIGIT.match(text)
    return int(match.group("digit")) if match else None
