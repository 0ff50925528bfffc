"""Takes a model's thoughts off its answer: what it thought is never what it said.

Servers without a parser for it, and local chat templates, leave the thoughts in the text.
A block at the beginning counts in every spelling below; later in the text only `<think>`,
and not where it is quoted as code. A closing mark without an opening one ends thoughts that
the chat template had begun. Thoughts that never end leave no answer.
"""

from __future__ import annotations

import re
from typing import Final

_TAGS: Final = r"(?:think|thinking|thought|thoughts|reasoning|reflection|seed:think)"
_PAIRS: Final = (
    (rf"<{_TAGS}(?:\s[^<>]*)?>", rf"</{_TAGS}\s*>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    (r"<\|channel>thought", r"<channel\|>"),
    (
        r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>",
        r"<\|end\|>|(?=<\|start\|>assistant<\|channel\|>|<\|channel\|>final)",
    ),
)
_OPEN: Final = tuple(re.compile(rf"\s*(?:{first})", re.IGNORECASE) for first, _ in _PAIRS)
_CLOSE: Final = tuple(re.compile(last, re.IGNORECASE) for _, last in _PAIRS)
_UNOPENED: Final = re.compile(
    r"(?<![`\"'])(?:</(?:think|thinking|thought|seed:think)\s*>|\[/THINK\]|◁/think▷"
    r"|<\|END_THINKING\|>|<\|end_of_thought\|>|<\|inner_suffix\|>)(?![`\"'])",
    re.IGNORECASE,
)
_LATER: Final = re.compile(r"<think>(.*?)(?:</think>|\Z)", re.IGNORECASE | re.DOTALL)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_FINAL: Final = re.compile(
    r"\s*(?:<\|start\|>assistant)?<\|channel\|>final[^<]*<\|message\|>"
    r"|\s*(?:<\|begin_of_solution\|>|<\|START_RESPONSE\|>)"
)
_ENDS: Final = re.compile(
    r"\s*(?:<\|return\|>|<\|end\|>|<\|end_of_solution\|>|<\|END_RESPONSE\|>)\s*\Z"
)
_OPENED: Final = re.compile(rf"(?:{'|'.join(first for first, _ in _PAIRS)})\s*\Z", re.IGNORECASE)
_MARK: Final = re.compile(
    rf"</?{_TAGS}>|\[/?THINK\]|◁/?think▷|<\|?channel\|?>|<\|inner_(?:prefix|suffix)\|>"
    r"|<\|(?:start|message|end|return)\|>|<\|(?:START|END)_(?:THINKING|RESPONSE)\|>"
    r"|<\|(?:begin|end)_of_(?:thought|solution)\|>",
    re.IGNORECASE,
)
_HINT: Final = re.compile(r"think|thought|reason|reflection|inner_|\|channel", re.IGNORECASE)


def split_reasoning(text: str, *, opened: bool = False) -> tuple[str, str]:
    """(thoughts, answer); a text without thoughts is the answer, unchanged.

    Args:
        text: What the model wrote.
        opened: The chat template has begun the thoughts, so the text begins inside them.

    Returns:
        The thoughts without their marks, and the answer without the line breaks before it.
        The answer is "" where the thoughts do not end.
    """
    if not opened and not _HINT.search(text):
        return "", text
    thoughts: list[str] = []
    rest = text
    first = _UNOPENED.search(rest)
    if opened or (first is not None and not _begins(rest) and not _opened_before(rest, first)):
        if first is None:
            return rest.strip(), ""
        thoughts.append(rest[: first.start()])
        rest = rest[first.end() :]
    while (place := _begins(rest)) is not None:
        number, start = place
        end = _CLOSE[number].search(rest, start)
        if end is None:
            return _joined([*thoughts, rest[start:]]), ""
        thoughts.append(rest[start : end.start()])
        rest = rest[end.end() :]
    rest = _without_later(rest, thoughts)
    final = _FINAL.match(rest)
    if final is not None:
        rest = _ENDS.sub("", rest[final.end() :])
    return (_joined(thoughts), rest.lstrip()) if thoughts else ("", rest)


def is_mark(token: str) -> bool:
    """True for a token that `split_reasoning` reads: one that must not be left out before it."""
    return _MARK.fullmatch(token) is not None


def without_marks(answer: str) -> str:
    """An answer without marks that the model wrote as tokens, such as a lone `<|end|>`."""
    return _MARK.sub("", answer)


def ends_opened(prompt: str) -> bool:
    """True if a rendered prompt has begun the thoughts, so what follows begins inside them."""
    return _OPENED.search(prompt) is not None


def _begins(text: str) -> tuple[int, int] | None:
    """Which kind of block the text begins with, and where its thoughts start."""
    for number, opening in enumerate(_OPEN):
        found = opening.match(text)
        if found is not None:
            return number, found.end()
    return None


def _opened_before(text: str, closing: re.Match[str]) -> bool:
    """True if the mark closes a block that was opened in the middle of the text, or is code."""
    at = closing.start()
    quoted = any(code.start() < at < code.end() for code in _CODE.finditer(text))
    return quoted or re.search(rf"<{_TAGS}>|\[THINK\]", text[:at], re.IGNORECASE) is not None


def _without_later(text: str, thoughts: list[str]) -> str:
    """Takes off `<think>` blocks in the middle of an answer, unless they are quoted as code."""
    code = [(found.start(), found.end()) for found in _CODE.finditer(text)]

    def taken(found: re.Match[str]) -> str:
        if any(start < found.start() < end for start, end in code):
            return found.group()
        thoughts.append(found.group(1))
        return ""

    return _LATER.sub(taken, text)


def _joined(thoughts: list[str]) -> str:
    return "\n".join(thought.strip() for thought in thoughts if thought.strip())
