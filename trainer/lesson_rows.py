"""From lessons to token ids: whole, with the end of the text trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..errors import TrainingError
from ..llm.local.rendering import render_chat
from ..prompts.lesson import Lesson
from .rows import Rows


def lesson_rows(lessons: Sequence[Lesson], tokenizer: Any, max_length: int) -> Rows:
    """Tokenizes every lesson into one row of its own; none is cut, joined or split.

    The end token is always the last one trained, also where it is the padding token.
    A lesson without a prompt is trained from its first token on.

    Args:
        lessons: Lessons.
        tokenizer: The model's.
        max_length: Tokens of prompt and text; longer lessons are left out and counted.

    Returns:
        `input_ids` and `labels` (-100 where the loss does not look).

    Raises:
        TrainingError: Every lesson is too long.
    """
    rows = []
    longest = 0
    for lesson in lessons:
        asked = (
            _lesson_ids(tokenizer, render_chat(tokenizer, lesson.prompt)) if lesson.prompt else []
        )
        said = [*_lesson_ids(tokenizer, lesson.text), tokenizer.eos_token_id]
        longest = max(longest, len(asked) + len(said))
        if len(asked) + len(said) <= max_length:
            rows.append({"input_ids": asked + said, "labels": [-100] * len(asked) + said})
    if not rows:
        raise TrainingError(
            f"all {len(lessons)} lessons are longer than max_length = {max_length} tokens (the "
            f"longest has {longest}); a lesson is never cut, so raise max_length."
        )
    return Rows(tuple(rows), too_long=len(lessons) - len(rows))


def hash_lessons(lessons: Sequence[Lesson]) -> str:
    """SHA-256 (hex) over everything of the lessons that reaches the loss, in order."""
    parts = [[[asdict(m) for m in lesson.prompt], lesson.text] for lesson in lessons]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def _lesson_ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
