"""Log-probabilities of given answers, teacher-forced, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .decoding import pad_left
from .request import Score


@torch.inference_mode()
def score_batch(model: Any, items: Sequence[tuple[list[int], int]]) -> list[Score]:
    """Sums the log-probabilities of the last tokens of each row.

    Rows are padded on the left, so that all answers end at the same place and
    the vocabulary's logits are computed for the answers' positions only.

    Args:
        model: A causal language model of transformers, in eval mode.
        items: Token ids of conversation and answer, and the answer's length.
    """
    ids, mask, positions = pad_left([row for row, _ in items], model.device)
    longest = max(count for _, count in items)
    if longest == 0:
        return [Score(0.0, 0) for _ in items]
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        use_cache=False,
        logits_to_keep=longest + 1,  # the last one predicts beyond the end
    )
    scores = []
    for row, (_, count) in enumerate(items):
        logits = out.logits[row, -count - 1 : -1].float()  # (C, V)
        targets = ids[row, ids.shape[1] - count :]  # (C,)
        picked = logits.gather(1, targets[:, None]).squeeze(1)
        total = (picked - logits.logsumexp(-1)).double().sum()
        scores.append(Score(float(total), count))
    return scores
