"""Log-probabilities of given answers, teacher-forced, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..request import Score
from .decoding import pad_left
from .scoring_shared import Item, answer_score, common_length, group_items, score_shared


def score_batch(
    model: Any, items: Sequence[Item], owners: Sequence[object] | None = None
) -> list[Score]:
    """Sums the log-probabilities of the last tokens of each row.

    Rows of one owner (the options of one question) share the pass over what they
    have in common where the model allows it.

    Args:
        model: A causal language model of transformers, in eval mode.
        items: Token ids of conversation and answer, and the answer's length.
        owners: What each row is an answer to; None: every row stands alone.
    """
    groups = group_items(items, range(len(items)) if owners is None else owners)
    together = [group for group in groups if _shares(model, [items[place] for place in group])]
    scores: dict[int, Score] = {}
    if together:
        found = score_shared(model, [[items[place] for place in group] for group in together])
        for group, row_scores in zip(together, found, strict=True):
            scores.update(zip(group, row_scores, strict=True))
    alone = [place for place in range(len(items)) if place not in scores]
    scores.update(zip(alone, _score_texts(model, [items[i] for i in alone]), strict=True))
    return [scores[place] for place in range(len(items))]


def _shares(model: Any, rows: Sequence[Item]) -> bool:
    """True where one pass over the common beginning saves work and is possible."""
    if len(rows) < 2 or any(count < 1 for _, count in rows):
        return False
    if not _attends_to_everything(model.config):
        return False
    return common_length(rows) >= 1


def _attends_to_everything(config: Any) -> bool:
    """True where every layer sees the whole past and takes a mask of ours."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    window = getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)
    attention = getattr(text, "_attn_implementation", None)
    return kinds == {"full_attention"} and not window and attention in {"sdpa", "eager"}


@torch.inference_mode()
def _score_texts(model: Any, items: Sequence[Item]) -> list[Score]:
    """Rows that share nothing.

    Rows are padded on the left, so that all answers end at the same place and
    the vocabulary's logits are computed for the answers' positions only.
    """
    longest = max((count for _, count in items), default=0)
    if longest == 0:
        return [Score(0.0, 0) for _ in items]
    ids, mask, positions = pad_left([row for row, _ in items], model.device)
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        use_cache=False,
        logits_to_keep=longest + 1,  # the last one predicts beyond the end
    )
    return [
        answer_score(out.logits[row, -count - 1 : -1], ids[row, ids.shape[1] - count :].tolist())
        if count
        else Score(0.0, 0)
        for row, (_, count) in enumerate(items)
    ]
