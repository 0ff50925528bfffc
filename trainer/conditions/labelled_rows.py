"""Labelled answer pairs, tokenized for the probe inside a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...archetypes.vocabulary import opposite
from ...evaluation.probe import item_id
from ...llm.local.encoding import encode
from ...prompts.labelled import LabelledPair, balanced_sample, messages_of


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One labelled pair.

    Attributes:
        id: As `ProbeItem.id`.
        shows: The failure mode the failing answer shows: on a twin, the opposite one.
        prompt_ids: The conversation up to the answer.
        good_ids: The good answer, without an end token.
        failing_ids: The failing one.
        always: Whether every check takes it, not only the one at a layer's end.
    """

    id: str
    shows: str
    prompt_ids: tuple[int, ...]
    good_ids: tuple[int, ...]
    failing_ids: tuple[int, ...]
    always: bool

    def as_pair(self) -> dict[str, Any]:
        """The row in the form of a training pair."""
        return {
            "prompt_ids": list(self.prompt_ids),
            "chosen_ids": list(self.good_ids),
            "rejected_ids": list(self.failing_ids),
        }


def labelled_rows(
    pairs: Sequence[LabelledPair], tokenizer: Any, check_pairs: int
) -> tuple[LabelledRow, ...]:
    """Tokenizes labelled pairs; the same pair in two archetypes counts once.

    Args:
        pairs: Labelled pairs, never trained on.
        tokenizer: The model's.
        check_pairs: Pairs of one failure mode and role that every check takes.
    """
    always = {item_id(pair) for pair in balanced_sample(pairs, per_slice=check_pairs)}
    rows: dict[str, LabelledRow] = {}
    for pair in pairs:
        name = item_id(pair)
        good, failing = (
            encode(tokenizer, messages_of(pair), text) for text in (pair.good, pair.failing)
        )
        shows = pair.failure_mode if pair.role == "at_risk" else opposite(pair.failure_mode)
        rows[name] = LabelledRow(
            name, shows, good.context, good.answer, failing.answer, name in always
        )
    return tuple(rows.values())
