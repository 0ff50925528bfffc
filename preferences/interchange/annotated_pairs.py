"""Annotated pairs, version 2.0: the JSON of Inverse Constitutional AI (arXiv:2406.06560).

`metadata` with `version` and `default_annotator`; `annotators` by id, with
`description` and `type`; `comparisons` with `prompt`, `response_a`, `response_b`
and `annotations` by annotator: `{"pref": "a"}`, or null with `no_pref_reason`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ...constitution.interchange.rule import rule_of
from ...constitution.principle import Principle
from ...llm.message import Message
from ..pair import Pair

VERSION = "2.0"
GENERATOR = "anlage"
"""Marks a file of ours, whose metadata hold the fields of a pair."""
DEFAULT_ANNOTATOR = "ba751e7b"
"""The id the format's own programs give the reference label; some know no other."""
FIELDS = ("builder", "failure_mode", "label", "p_chosen", "prompt_id", "role", "round", "weight")
"""Fields of a pair that stand under a comparison's metadata, as text."""

LOST = (
    "soft labels and weights for other programs: they stand under metadata, where only we look",
    "who voted: a principle that was applied stands as a vote for the better answer",
    "keys of model calls, so the way back to the calls a pair was made with",
)


def to_annotated_pairs(
    pairs: Sequence[Pair], principles: Sequence[Principle], *, name: str
) -> tuple[dict[str, Any], list[str]]:
    """Pairs as comparisons; the label and each principle applied are annotators.

    Which side the better answer stands on follows from the pair's id, so that the
    position says nothing. No date is written: equal pairs give equal text.

    Args:
        pairs: The pairs.
        principles: Where the words of the principles they name are found.
        name: Name of the data set.

    Returns:
        The file as plain data, and what it does not hold, one sentence each.
    """
    ids, annotators = _annotators(pairs, principles)
    metadata = {
        "version": VERSION,
        "description": "Preference pairs",
        "dataset_name": name,
        "default_annotator": DEFAULT_ANNOTATOR,
        "available_metadata_keys_per_comparison": list(FIELDS),
        "generator": GENERATOR,
    }
    comparisons = [_comparison(pair, ids) for pair in pairs]
    unknown = {p for pair in pairs for p in pair.principles} - ids.keys()
    lost = list(LOST)
    if unknown:
        lost.append(f"votes of principles the constitution lacks: {', '.join(sorted(unknown))}")
    if any(len(pair.prompt) > 1 for pair in pairs):
        lost.append("turns: other programs see a conversation as one text")
    return {"metadata": metadata, "annotators": annotators, "comparisons": comparisons}, lost


def _annotators(
    pairs: Sequence[Pair], principles: Sequence[Principle]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Principle id -> annotator id of those the pairs name, and all annotators."""
    used = {p for pair in pairs for p in pair.principles}
    label = "Which answer the label of the pair puts first"
    annotators: dict[str, Any] = {
        DEFAULT_ANNOTATOR: {"name": "preferred_text", "description": label, "type": "unknown"}
    }
    ids: dict[str, str] = {}
    for principle in principles:
        if principle.id in used:
            text = rule_of(principle).text
            ids[principle.id] = _short(text)
            annotators[_short(text)] = {
                "name": principle.id,
                "description": text,
                "type": "principle",
            }
    return ids, annotators


def _comparison(pair: Pair, ids: dict[str, str]) -> dict[str, Any]:
    side = "a" if int(pair.id, 16) % 2 == 0 else "b"
    first, second = (pair.chosen, pair.rejected) if side == "a" else (pair.rejected, pair.chosen)
    notes = {DEFAULT_ANNOTATOR: {"pref": side}}
    notes |= {ids[p]: {"pref": side} for p in pair.principles if p in ids}
    metadata = {name: str(getattr(pair, name)) for name in FIELDS}
    plain = pair.prompt == (Message("user", pair.prompt[-1].content),)
    if not plain:
        turns = [{"role": m.role, "content": m.content} for m in pair.prompt]
        metadata["messages"] = json.dumps(turns, ensure_ascii=False)
    return {
        "id": pair.id,
        "prompt": pair.prompt[0].content if plain else _conversation(pair.prompt),
        "response_a": {"text": first},
        "response_b": {"text": second},
        "annotations": notes,
        "metadata": metadata,
    }


def _conversation(messages: Sequence[Message]) -> str:
    return "\n\n".join(f"{message.role.title()}: {message.content}" for message in messages)


def _short(text: str) -> str:
    """Eight hex digits of a text, as the format's own files name their annotators."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8]
