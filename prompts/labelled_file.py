"""Reads an author's own labelled answer pairs, one JSON object per line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from ..archetypes.vocabulary import load_failure_modes
from ..errors import Problem, PromptError
from ..files.lines import numbered
from .labelled import ANY_MODE, LabelledAnswers
from .prompt import Role

_KEYS: Final = ("failure_mode", "role", "prompt", "messages", "good", "failing", "target_scores")
_IGNORED: Final = ("id", "topic", "cues", "licence", "canary", "comment")
_HALF: Final = re.compile("[\ud800-\udfff]")  # half a character: nothing can send it
_MAX_BYTES: Final = 64 * 1024 * 1024
_FORM: Final = (
    'write {"prompt": "...", "good": "...", "failing": "...", "failure_mode": "sycophancy", '
    '"role": "at_risk"}; without a failure mode the pair is judged by a general question'
)


def read_labelled_file(path: Path) -> list[LabelledAnswers]:
    """Reads a file of labelled pairs.

    Each line is an object with `prompt` (or `messages`), `good` and `failing`, and
    optionally `failure_mode` and `role`. BIG-bench's `target_scores` with one answer of
    1 and one of 0 may stand in place of `good` and `failing`. Several messages become one
    text with the speakers' names.

    Raises:
        PromptError: It cannot be read, or holds no pair; every wrong line is named.
    """
    problems: list[Problem] = []
    rows: list[LabelledAnswers] = []
    for number, line in numbered(_text(path)):
        found = _row(line)
        if isinstance(found, LabelledAnswers):
            rows.append(found)
        else:
            problems.append(Problem("P060", "error", str(path), number, found, _FORM))
    if not rows and not problems:
        problems.append(Problem("P060", "error", str(path), 0, "there is no pair in it", _FORM))
    if problems:
        raise PromptError(problems)
    return rows


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES // 2**20} MiB")
        return path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        message = f"cannot be read: {error}"
        raise PromptError.one("P061", path, message, "give a UTF-8 JSON lines file") from None


def _row(line: str) -> LabelledAnswers | str:
    """The pair of a line, or what is wrong with it."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        return f"not JSON: {'nested too deep' if deep else error}"
    if not isinstance(data, dict):
        return f"an object is needed, not {type(data).__name__}"
    for key in data:
        if key not in (*_KEYS, *_IGNORED):
            near = difflib.get_close_matches(key, _KEYS, n=1)
            return f"unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else "")
    mode, role = data.get("failure_mode", ANY_MODE), data.get("role", "at_risk")
    if mode != ANY_MODE and (not isinstance(mode, str) or mode not in load_failure_modes()):
        return f"no failure mode {mode!r}"
    if role not in ("at_risk", "twin"):
        return f"`role` is {role!r}, not 'at_risk' or 'twin'"
    prompt, answers = _prompt(data), _answers(data)
    if prompt is None:
        return "`prompt` must be text (or `messages` a list of role and content)"
    if answers is None:
        return "`good` and `failing` must be two different texts"
    if any(_HALF.search(text) for text in (prompt, *answers)):
        return "it holds half a character (a lone surrogate)"
    return LabelledAnswers.about(str(mode), cast("Role", role), prompt, *answers)


def _prompt(data: Mapping[str, Any]) -> str | None:
    if "messages" not in data:
        prompt = data.get("prompt")
        return prompt if isinstance(prompt, str) and prompt.strip() else None
    try:
        turns = [(str(m["role"]), str(m["content"])) for m in data["messages"]]
    except (KeyError, TypeError):
        return None
    if len(turns) == 1:
        return turns[0][1]
    return "\n".join(f"{speaker}: {content}" for speaker, content in turns) or None


def _answers(data: Mapping[str, Any]) -> tuple[str, str] | None:
    good, failing = data.get("good"), data.get("failing")
    scores = data.get("target_scores")
    if isinstance(scores, dict) and sorted(map(str, scores.values())) == ["0", "1"]:
        ordered = sorted(scores, key=lambda answer: -int(scores[answer]))
        good, failing = ordered[0], ordered[1]
    if not (isinstance(good, str) and isinstance(failing, str)):
        return None
    alike = good.split() == failing.split()
    return None if alike or not good.strip() or not failing.strip() else (good, failing)
