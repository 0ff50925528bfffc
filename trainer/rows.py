"""From pairs to token ids, exactly as the model reads and writes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TrainingError
from ..llm.local.rendering import render_chat
from ..preferences.pair import Pair
from ..prompts.lesson import Lesson

if TYPE_CHECKING:
    from ..preferences.dataset import Table


@dataclass(frozen=True, slots=True)
class Rows:
    """Tokenized pairs and what became of the rest.

    Attributes:
        rows: `prompt_ids`, `chosen_ids`, `rejected_ids` (end token included),
            `p_chosen`, `weight`; in the order of the pairs.
        too_long: Pairs left out because an answer would not have fitted.
    """

    rows: tuple[dict[str, Any], ...]
    too_long: int


def load_pairs(pairs: Sequence[Pair] | Table) -> tuple[Pair, ...]:
    """Pairs from memory, preference data of anybody's, or a JSONL file of ours.

    Raises:
        PairError: The file or data set is wrong.
        TrainingError: There is no pair.
    """
    from ..preferences.dataset import Pairs

    if isinstance(pairs, str | Path) and Path(pairs).suffix != ".parquet":
        found = tuple(Pairs.load(pairs))
    elif isinstance(pairs, str | Path | Mapping) or _is_table(pairs):
        found = tuple(Pairs.from_dataset(pairs))
    else:
        rows: tuple[Any, ...] = tuple(pairs)
        own = all(isinstance(row, Pair) for row in rows)
        found = rows if own else tuple(Pairs.from_dataset(rows))
    if not found:
        raise TrainingError(
            "there are no pairs to train on. Look at 31_outcomes.json for why attempts failed, "
            "then loosen the filters or add prompts."
        )
    return found


def _is_table(pairs: object) -> bool:
    return hasattr(pairs, "column_names") or hasattr(pairs, "iloc")


def hash_pairs(pairs: Sequence[Pair]) -> str:
    """SHA-256 (hex) over everything of the pairs that reaches the loss, in order."""
    parts = [
        [
            [asdict(message) for message in pair.prompt],
            pair.chosen,
            pair.rejected,
            pair.p_chosen,
            pair.weight,
        ]
        for pair in pairs
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def tokenize(pairs: Sequence[Pair], tokenizer: Any, max_length: int) -> Rows:
    """Renders and tokenizes every pair.

    The prompt is rendered as for generation. The answer is tokenized by itself, as
    the model would write it, and ends with the end-of-turn token, which is trained;
    what a template puts after that token is not.

    Raises:
        TrainingError: The template renders the prompt differently once an answer
            follows, or every pair is longer than `max_length`.
    """
    rows = []
    longest = 0
    for number, pair in enumerate(pairs):
        prompt = render_chat(tokenizer, pair.prompt)
        row: dict[str, Any] = {
            "prompt_ids": _ids(tokenizer, prompt),
            "chosen_ids": _answer_ids(tokenizer, pair, prompt, pair.chosen),
            "rejected_ids": _answer_ids(tokenizer, pair, prompt, pair.rejected),
            "p_chosen": pair.p_chosen,
            "weight": pair.weight,
            "index": number,
        }
        length = len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
        longest = max(longest, length)
        if length <= max_length:
            rows.append(row)
    if not rows:
        raise TrainingError(
            f"all {len(pairs)} pairs are longer than max_length = {max_length} tokens; raise "
            f"max_length (the longest has {longest}) or make answers shorter."
        )
    return Rows(tuple(rows), too_long=len(pairs) - len(rows))


def _answer_ids(tokenizer: Any, pair: Pair, prompt: str, answer: str) -> list[int]:
    chat = [{"role": message.role, "content": message.content} for message in pair.prompt]
    chat.append({"role": "assistant", "content": answer})
    whole = str(tokenizer.apply_chat_template(chat, tokenize=False))
    if not whole.startswith(prompt):
        raise TrainingError(
            f"pair {pair.id}: the model's chat template renders the prompt differently once an "
            "answer follows, so the model would be trained on text it never sees. Use a "
            "template whose prompt is a prefix of prompt and answer."
        )
    ids = _ids(tokenizer, whole[len(prompt) :])
    end = tokenizer.eos_token_id
    return ids[: ids.index(end) + 1] if end in ids else [*ids, end]


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


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
        asked = _ids(tokenizer, render_chat(tokenizer, lesson.prompt)) if lesson.prompt else []
        said = [*_ids(tokenizer, lesson.text), tokenizer.eos_token_id]
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
