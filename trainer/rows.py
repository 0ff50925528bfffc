"""From pairs to token ids, exactly as the model reads and writes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NotSupportedError, TrainingError
from ..llm.local.encoding import encode, end_ids
from ..llm.local.rendering import check_trainable
from ..llm.message import Message
from ..preferences.pair import Pair
from ..prompts.lessons import Lesson

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


def hash_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 (hex) over tokenized rows, in order: the token ids that are trained on."""
    return hashlib.sha256(json.dumps([dict(row) for row in rows]).encode()).hexdigest()


def positions_of(config: Any) -> int | None:
    """Tokens a model has positions for, from its config; None where it sets no limit."""
    found = getattr(config.get_text_config(), "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


def _limit(max_length: int, positions: int | None) -> tuple[int, str]:
    """The fewer of both, and how a message names it."""
    if positions is not None and positions < max_length:
        return positions, f"the {positions} positions of the model"
    return max_length, f"max_length = {max_length} tokens"


def tokenize(
    pairs: Sequence[Pair], tokenizer: Any, max_length: int, positions: int | None = None
) -> Rows:
    """Renders and tokenizes every pair.

    Prompt and answer are the ids that are generated and scored (`encode`). An answer ends
    with the end-of-turn token, which is trained; what a template puts after it is not.

    Args:
        pairs: Pairs.
        tokenizer: The model's.
        max_length: Tokens of prompt and answer; longer pairs are left out and counted.
        positions: Tokens the model has positions for (`positions_of`), a limit of the same
            kind; None for none.

    Raises:
        TrainingError: The template refuses a prompt or renders it differently once an
            answer follows, or every pair is longer than `max_length` or the model's positions.
    """
    rows = []
    longest = 0
    ending = _Ending(tokenizer)
    limit, named = _limit(max_length, positions)
    for number, pair in enumerate(pairs):
        prompt, chosen = ending.encode(pair.prompt, pair.chosen, f"pair {pair.id}")
        _, rejected = ending.encode(pair.prompt, pair.rejected, f"pair {pair.id}")
        row: dict[str, Any] = {
            "prompt_ids": prompt,
            "chosen_ids": chosen,
            "rejected_ids": rejected,
            "p_chosen": pair.p_chosen,
            "weight": pair.weight,
            "index": number,
        }
        length = len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
        longest = max(longest, length)
        if length <= limit:
            rows.append(row)
    if not rows:
        way = "raise max_length" if limit == max_length else "use a model with more"
        raise TrainingError(
            f"all {len(pairs)} pairs are longer than {named}; {way} (the longest has "
            f"{longest}) or make answers shorter."
        )
    return Rows(tuple(rows), too_long=len(pairs) - len(rows))


class _Ending:
    """Encodes answers with the end that the model stops at."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.end: list[int] | None = None

    def encode(
        self, messages: Sequence[Message], text: str, name: str
    ) -> tuple[list[int], list[int]]:
        """Ids of the prompt, and of the text with its end."""
        try:
            if self.end is None:
                self.end = list(end_ids(self.tokenizer))
            if messages:
                check_trainable(self.tokenizer, messages)
            found = encode(self.tokenizer, messages, text)
        except NotSupportedError as error:
            raise TrainingError(f"{name}: {error}") from error
        return list(found.context), [*found.answer, *self.end]


def lesson_rows(
    lessons: Sequence[Lesson], tokenizer: Any, max_length: int, positions: int | None = None
) -> Rows:
    """Tokenizes every lesson into one row of its own; none is cut, joined or split.

    The end token is always the last one trained, also where it is the padding token.
    A lesson without a prompt is trained from its first token on, and ends the text; the
    token that the tokenizer puts before every text is read, not trained.

    Args:
        lessons: Lessons.
        tokenizer: The model's.
        max_length: Tokens of prompt and text; longer lessons are left out and counted.
        positions: As in `tokenize`.

    Returns:
        `input_ids` and `labels` (-100 where the loss does not look).

    Raises:
        TrainingError: Every lesson is too long, or the template refuses one.
    """
    rows = []
    longest = 0
    limit, named = _limit(max_length, positions)
    ending = _Ending(tokenizer)
    for number, lesson in enumerate(lessons, start=1):
        asked, said = ending.encode(lesson.prompt, lesson.text, f"lesson {number}")
        if not lesson.prompt:
            said = [*said[: len(said) - len(ending.end or ())], tokenizer.eos_token_id]
        longest = max(longest, len(asked) + len(said))
        if len(asked) + len(said) <= limit:
            rows.append({"input_ids": asked + said, "labels": [-100] * len(asked) + said})
    if not rows:
        way = "raise max_length" if limit == max_length else "use a model with more"
        raise TrainingError(
            f"all {len(lessons)} lessons are longer than {named} (the longest has {longest}); "
            f"a lesson is never cut, so {way}."
        )
    return Rows(tuple(rows), too_long=len(lessons) - len(rows))


def hash_lessons(lessons: Sequence[Lesson]) -> str:
    """SHA-256 (hex) over everything of the lessons that reaches the loss, in order."""
    parts = [[[asdict(m) for m in lesson.prompt], lesson.text] for lesson in lessons]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
