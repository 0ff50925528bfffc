"""Log-probabilities of given answers, teacher-forced, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .decoding import pad_left
from .request import Score


def score_batch(model: Any, items: Sequence[tuple[list[int], int]]) -> list[Score]:
    """Sums the log-probabilities of the last tokens of each row.

    Args:
        model: A causal language model of transformers, in eval mode.
        items: Token ids of conversation and answer, and the answer's length.
    """
    options = [place for place, (_, count) in enumerate(items) if count == 1]
    texts = [place for place, (_, count) in enumerate(items) if count != 1]
    scores = dict(zip(options, _score_options(model, [items[i][0] for i in options]), strict=True))
    scores |= zip(texts, _score_texts(model, [items[i] for i in texts]), strict=True)
    return [scores[place] for place in range(len(items))]


@torch.inference_mode()
def _score_options(model: Any, rows: Sequence[list[int]]) -> list[Score]:
    """Rows whose answer is one token: options of the same question share one pass over it."""
    if not rows:
        return []
    questions = list(dict.fromkeys(tuple(row[:-1]) for row in rows))
    ids, mask, positions = pad_left([list(question) for question in questions], model.device)
    out = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        use_cache=False,
        logits_to_keep=1,
    )
    logprobs = torch.log_softmax(out.logits[:, -1].float(), dim=-1)  # (Q, V)
    number = {question: place for place, question in enumerate(questions)}
    return [Score(float(logprobs[number[tuple(row[:-1])], row[-1]]), 1) for row in rows]


@torch.inference_mode()
def _score_texts(model: Any, items: Sequence[tuple[list[int], int]]) -> list[Score]:
    """Rows whose answer has any other number of tokens.

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
    scores = []
    for row, (_, count) in enumerate(items):
        logits = out.logits[row, -count - 1 : -1].float()  # (C, V)
        targets = ids[row, ids.shape[1] - count :]  # (C,)
        picked = logits.gather(1, targets[:, None]).squeeze(1)
        total = (picked - logits.logsumexp(-1)).double().sum()
        scores.append(Score(float(total), count))
    return scores
