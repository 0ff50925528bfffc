"""From log-likelihoods of options to a choice, averaged over the orders they stood in."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...llm.request import Score
from .item import ChoiceItem
from .outcome import ScoredChoice
from .suite import Suite


def scored_choice(
    suite: Suite, item: ChoiceItem, scores: Sequence[Sequence[Score]]
) -> ScoredChoice:
    """One question's outcome.

    The chosen option has the highest probability, normalised over the options and
    averaged over the orders; before that, log-likelihoods are taken as sums, per
    byte or per token, as the suite says. `probability` always uses sums. Where
    one option is the best and others are right, too (TruthfulQA), the best must
    beat every wrong option (MC1), and `probability` is the mass on all right ones
    (MC2).

    Args:
        suite: The suite.
        item: The question.
        scores: (orders, options), options in the item's canonical order.
    """
    if suite.kind == "last_word":
        score = scores[0][0]
        return ScoredChoice(
            item.id, item.group, bool(score.greedy), math.exp(score.logprob), score.mean
        )
    picks: list[int] = []
    total = [0.0] * len(item.sizes)
    mass = [0.0] * len(item.sizes)
    for order in scores:
        values = [
            score.logprob / _divisor(suite, score, size)
            for score, size in zip(order, item.sizes, strict=True)
        ]
        chances = softmax(values)
        picks.append(max(range(len(chances)), key=chances.__getitem__))
        total = [x + y / len(scores) for x, y in zip(total, chances, strict=True)]
        sums = softmax([score.logprob for score in order])
        mass = [x + y / len(scores) for x, y in zip(mass, sums, strict=True)]
    return ScoredChoice(
        id=item.id,
        group=item.group,
        right=_is_right(item, total),
        probability=min(1.0, sum(mass[index] for index in item.right)),
        nats=_right_nats(item, scores),
        flipped=len(set(picks)) > 1,
    )


def softmax(values: Sequence[float]) -> list[float]:
    """Probabilities in proportion to exp(value), safe for large negative values."""
    highest = max(values)
    weights = [math.exp(value - highest) for value in values]
    total = sum(weights)
    return [weight / total for weight in weights]


def _divisor(suite: Suite, score: Score, size: int) -> float:
    if suite.normalise == "bytes":
        return float(max(1, size))
    return float(max(1, score.tokens)) if suite.normalise == "tokens" else 1.0


def _is_right(item: ChoiceItem, chances: Sequence[float]) -> bool:
    """The best option beats every wrong one; without a best, some right one does.

    A tie is wrong: a model that finds all options alike has chosen nothing.
    """
    rivals = [value for index, value in enumerate(chances) if index not in item.right]
    own = [chances[item.best]] if item.best >= 0 else [chances[index] for index in item.right]
    return not rivals or max(own) > max(rivals)


def _right_nats(item: ChoiceItem, scores: Sequence[Sequence[Score]]) -> float:
    index = item.best if item.best >= 0 else min(item.right)
    return sum(order[index].mean for order in scores) / len(scores)
