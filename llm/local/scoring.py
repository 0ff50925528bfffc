"""Log-probabilities of given answers, teacher-forced, a batch at a time.

Rows of one question share a pass where that gives what a pass of its own gives. Whether it
does is never believed of a model: it is tried once, and given up with a warning.
"""

from __future__ import annotations

import inspect
import math
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from ..request import Score
from .decoding import pad_left
from .scoring_shared import Item, answer_score, common_length, group_items, score_shared

_TRIED_TOKENS: Final = 320  # beyond the 256 tokens that GPT-Neo's local layers see
_TOLERANCE: Final = {torch.float32: 2e-3, torch.float16: 0.05}  # nats for an answer of 4 tokens
_BF16_TOLERANCE: Final = 0.25


class Sharing:
    """Whether one model may score options behind a shared pass; found out at first use."""

    def __init__(self) -> None:
        self._allowed: bool | None = None

    def allows(self, model: Any) -> bool:
        """True where the shared pass gives the same numbers as plain rows."""
        if self._allowed is None:
            self._allowed = _could_share(model) and _agrees(model)
        return self._allowed


def _could_share(model: Any) -> bool:
    """True where every layer sees the whole past, and takes a mask and positions of ours."""
    text = model.config.get_text_config()
    kinds = {*(getattr(text, "layer_types", None) or ()), "full_attention"}
    local = "local" in (getattr(text, "attention_layers", None) or ())
    window = getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)
    attention = getattr(text, "_attn_implementation", None)
    return bool(
        kinds == {"full_attention"}
        and not local
        and not window
        and not getattr(text, "alibi", False)
        and attention in {"sdpa", "eager"}
        and "position_ids" in inspect.signature(type(model).forward).parameters
    )


def _agrees(model: Any) -> bool:
    """Tries the shared pass against plain rows on drawn tokens, and says if it is given up."""
    context = getattr(model.config, "max_position_embeddings", None) or _TRIED_TOKENS + 8
    size = model.get_input_embeddings().weight.shape[0]
    draw = random.Random(0)  # noqa: S311
    head = [draw.randrange(size) for _ in range(max(2, min(_TRIED_TOKENS, context - 8)))]
    rows = [([*head, *(draw.randrange(size) for _ in range(4))], 4) for _ in range(3)]
    plain = [score.logprob for score in _score_texts(model, rows)]
    if not all(map(math.isfinite, plain)):
        return False  # a broken model: nothing to compare with, and its own scores say so
    try:
        shared = [score.logprob for score in score_shared(model, [rows])[0]]
        worst = max(abs(a - b) for a, b in zip(plain, shared, strict=True))
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        if "memory" in str(error).lower():
            raise
        why = f"it fails ({str(error).strip().splitlines()[0] if str(error) else error!r})"
    else:
        if worst <= _TOLERANCE.get(model.dtype, _BF16_TOLERANCE):
            return True
        why = f"it is {worst:.2g} nats off"
    warnings.warn(
        f"{model.config.model_type}: options are scored one by one, since {why} when they share "
        "a pass. The numbers are right; it only takes longer.",
        stacklevel=2,
    )
    return False


def score_batch(
    model: Any,
    items: Sequence[Item],
    owners: Sequence[object] | None = None,
    sharing: Sharing | None = None,
) -> list[Score]:
    """Sums the log-probabilities of the last tokens of each row.

    Rows of one owner (the options of one question) share the pass over what they
    have in common where the model allows it.

    Args:
        model: A causal language model of transformers, in eval mode.
        items: Token ids of conversation and answer, and the answer's length.
        owners: What each row is an answer to; None: every row stands alone.
        sharing: What is known of the model; None tries it anew.
    """
    known = sharing or Sharing()
    groups = group_items(items, range(len(items)) if owners is None else owners)
    together = [
        group for group in groups if _shares(model, [items[place] for place in group], known)
    ]
    scores: dict[int, Score] = {}
    if together:
        found = score_shared(model, [[items[place] for place in group] for group in together])
        for group, row_scores in zip(together, found, strict=True):
            scores.update(zip(group, row_scores, strict=True))
    alone = [place for place in range(len(items)) if place not in scores]
    scores.update(zip(alone, _score_texts(model, [items[i] for i in alone]), strict=True))
    return [scores[place] for place in range(len(items))]


def _shares(model: Any, rows: Sequence[Item], sharing: Sharing) -> bool:
    """True where one pass over the common beginning saves work and is right."""
    if len(rows) < 2 or any(count < 1 for _, count in rows):
        return False
    return common_length(rows) >= 1 and sharing.allows(model)


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


@dataclass(frozen=True, slots=True)
class TokenScore:
    """A token at its place.

    Attributes:
        token: Its id.
        logprob: Its log-probability after all before it (nats).
        rank: 1 for the likeliest token of the vocabulary.
        top: The likeliest tokens there with theirs, likeliest first.
    """

    token: int
    logprob: float
    rank: int
    top: tuple[tuple[int, float], ...]


@torch.inference_mode()
def score_every_token(
    model: Any, rows: Sequence[Sequence[int]], top: int
) -> list[list[TokenScore]]:
    """Scores every token of each row after its first, then the likeliest one after its end.

    Args:
        model: A causal language model of transformers, in eval mode.
        rows: Token ids, at least one each.
        top: How many of the likeliest tokens to name at each place.
    """
    ids, mask, positions = pad_left(rows, model.device)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False)
    found = []
    for place, row in enumerate(rows):
        logprobs = out.logits[place, -len(row) :].float().log_softmax(-1)  # (T, V)
        after = torch.tensor([*row[1:], int(logprobs[-1].argmax())], device=logprobs.device)
        chosen = logprobs.gather(1, after[:, None])  # (T, 1)
        ranks = (logprobs > chosen).sum(-1) + 1  # (T,)
        best, names = logprobs.topk(top, dim=-1)  # (T, top)
        columns = (after, chosen.squeeze(1), ranks, names, best)
        found.append(
            [
                TokenScore(token, logprob, rank, tuple(zip(ids_, values, strict=True)))
                for token, logprob, rank, ids_, values in zip(
                    *(column.tolist() for column in columns), strict=True
                )
            ]
        )
    return found
