"""Measures what else tells chosen from rejected: length, refusals, form.

DPO learns whatever separates the sides. A feature with an AUC far from 0.5 is learnt
along with, or instead of, the principle. This report finds such features; it does not
say that they are harmful (on at-risk prompts refusal wording is the point).

Where it is asked for, such pairs are balanced: a logistic regression on surface features
guesses which side is chosen; pairs that it guesses with certainty teach the surface first.
They are weighed down (a bias-only model as in Clark et al. 2019, arXiv 1909.03683; He et
al. 2019, arXiv 1908.10763) or dropped.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..critic.sentences import ends_complete
from ..files.seeds import derive_seed
from .filters import opens_with_refusal, words
from .pair import Pair

_MARKDOWN = re.compile(r"(?m)^\s*(?:[-*•]\s|\d+[.)]\s|#+\s)|\*\*|`")
_FIRST_PERSON = re.compile(r"^\W*(?:I|I['’]\w+|My|We)\b")

_MAKERS = re.compile(
    r"\b(?:OpenAI|ChatGPT|GPT-?\d|Anthropic|Claude|Gemini|Google|Llama|Meta AI|Mistral|Qwen|"
    r"Alibaba|DeepSeek|SmolLM|Hugging ?Face)\b"
)

FEATURES: dict[str, Callable[[str], float]] = {
    "words": lambda text: float(len(words(text))),
    "characters": lambda text: float(len(text)),
    "refusal wording": lambda text: float(opens_with_refusal(text)),
    "markdown or list": lambda text: float(bool(_MARKDOWN.search(text))),
    "digits": lambda text: float(any(c.isdigit() for c in text)),
    "exclamation": lambda text: float("!" in text),
    "first-person opening": lambda text: float(bool(_FIRST_PERSON.search(text))),
    "names a model or maker": lambda text: float(bool(_MAKERS.search(text))),
    "ends complete": lambda text: float(ends_complete(text)),
}
"""Feature name -> value of one answer (a count, or 0/1)."""

SHARED_OPENING = "shared opening"
_SHARED_WORDS = 4


def auc(chosen: Sequence[float], rejected: Sequence[float]) -> float:
    """Probability that a random chosen value is above a random rejected one, ties half.

    0.5 means the feature says nothing; 1 or 0 means it gives the label away. Empty
    input gives 0.5.
    """
    if not chosen or not rejected:
        return 0.5
    counts_c, counts_r = Counter(chosen), Counter(rejected)
    below, wins = 0, 0.0
    for value in sorted(counts_c.keys() | counts_r.keys()):
        wins += counts_c[value] * (below + counts_r[value] / 2)
        below += counts_r[value]
    return wins / (len(chosen) * len(rejected))


def confounds(pairs: Sequence[Pair]) -> dict[str, object]:
    """The content of `32_confounds.json`.

    Returns:
        `n` and `rows`: feature, mean over chosen, mean over rejected, difference
        (chosen - rejected) and AUC; each feature over all pairs and per role, named
        like `words (twin)`. `shared opening` is 1 for an answer whose first four words
        open another answer of the same side too: wording the model could memorise.
    """
    rows = _rows(pairs, "")
    for role in sorted({pair.role for pair in pairs}):
        rows += _rows([pair for pair in pairs if pair.role == role], f" ({role})")
    return {"n": len(pairs), "rows": rows}


def _rows(pairs: Sequence[Pair], suffix: str) -> list[dict[str, object]]:
    chosen = [pair.chosen for pair in pairs]
    rejected = [pair.rejected for pair in pairs]
    rows = [
        _row(name + suffix, [feature(t) for t in chosen], [feature(t) for t in rejected])
        for name, feature in FEATURES.items()
    ]
    shared = (shared_openings(chosen), shared_openings(rejected))
    return [*rows, _row(SHARED_OPENING + suffix, *shared)]


def shared_openings(texts: Sequence[str]) -> list[float]:
    """1.0 for each text whose first four words open another of the texts too, else 0.0."""
    openings = [tuple(words(text)[:_SHARED_WORDS]) for text in texts]
    counts = Counter(openings)
    return [float(counts[opening] > 1) for opening in openings]


def _row(name: str, chosen: Sequence[float], rejected: Sequence[float]) -> dict[str, object]:
    mean_c = sum(chosen) / len(chosen) if chosen else 0.0
    mean_r = sum(rejected) / len(rejected) if rejected else 0.0
    return {
        "feature": name,
        "chosen": round(mean_c, 4),
        "rejected": round(mean_r, 4),
        "difference": round(mean_c - mean_r, 4),
        "auc": round(auc(chosen, rejected), 4),
    }


How = Literal["drop", "reweight"]

TELLING: Final = 0.65
"""`drop` stops once no feature's AUC is above this, or below 1 minus it."""
MOST_DROPPED: Final = 0.5
"""Largest share of the pairs that `drop` takes."""
LEAST_WEIGHT: Final = 0.1
"""Smallest relative weight that `reweight` gives."""
MIN_PAIRS: Final = 20
"""With fewer pairs nothing is fitted, and nothing changes."""


@dataclass(frozen=True, slots=True)
class Balanced:
    """A set of pairs after balancing, and what was done to it.

    Attributes:
        pairs: The pairs that are left, in their order, with their new weights.
        dropped: Ids of those that were taken out.
        worst_before: The AUC furthest from 0.5 before, as its distance from 0.5.
        worst_after: The same after, weights not counted.
        effective: Number of pairs that weigh as much: (sum w)^2 / sum w^2.
    """

    pairs: tuple[Pair, ...]
    dropped: tuple[str, ...]
    worst_before: float
    worst_after: float
    effective: float


def balance(pairs: Sequence[Pair], how: How) -> Balanced:
    """Drops or weighs down the pairs whose surface gives the label away.

    Args:
        pairs: The pairs of one build.
        how: `reweight` multiplies each weight by 2 (1 - q), q the probability with which
            the surface guesses the label right (cross-fitted in two halves), at least
            `LEAST_WEIGHT`, mean 1. `drop` takes out the pairs with the highest q until no
            feature tells (`TELLING`), at most `MOST_DROPPED` of them.

    Not covered: what the features do not see, such as topic words or style.
    """
    before = worst(pairs)
    if len(pairs) < MIN_PAIRS:
        return Balanced(tuple(pairs), (), before, before, _effective(pairs))
    guessed = _guessed(pairs)
    if how == "reweight":
        raw = [max(LEAST_WEIGHT, 2.0 * (1.0 - q)) for q in guessed]
        mean = sum(raw) / len(raw)
        kept = tuple(
            dataclasses.replace(pair, weight=pair.weight * value / mean)
            for pair, value in zip(pairs, raw, strict=True)
        )
        return Balanced(kept, (), before, before, _effective(kept))
    order = sorted(range(len(pairs)), key=lambda index: (-guessed[index], pairs[index].id))
    gone: set[int] = set()
    step = max(1, len(pairs) // 50)
    left = list(pairs)
    while worst(left) > TELLING - 0.5 and len(gone) + step <= MOST_DROPPED * len(pairs):
        gone.update(order[len(gone) : len(gone) + step])
        left = [pair for index, pair in enumerate(pairs) if index not in gone]
    dropped = tuple(pairs[index].id for index in sorted(gone))
    return Balanced(tuple(left), dropped, before, worst(left), _effective(left))


def worst(pairs: Sequence[Pair]) -> float:
    """The largest distance of a feature's AUC from 0.5; 0 without pairs."""
    return max(
        (
            abs(auc([f(p.chosen) for p in pairs], [f(p.rejected) for p in pairs]) - 0.5)
            for f in FEATURES.values()
        ),
        default=0.0,
    )


def _guessed(pairs: Sequence[Pair]) -> list[float]:
    """Probability that the surface guesses each label right, fitted on the other half."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    gaps = np.array(
        [[f(pair.chosen) - f(pair.rejected) for f in FEATURES.values()] for pair in pairs]
    )  # (P, F)
    half = np.array([derive_seed("balance", pair.prompt_id) % 2 for pair in pairs])
    found = np.full(len(pairs), 0.5)
    for side in (0, 1):
        seen, held = gaps[half != side], gaps[half == side]
        if len(seen) < 2 or not len(held):
            continue
        # Each pair once either way round: no intercept, nothing but the gap can speak.
        scale = StandardScaler(with_mean=False).fit(np.vstack([seen, -seen]))
        both = scale.transform(np.vstack([seen, -seen]))
        labels = np.array([1] * len(seen) + [0] * len(seen))
        model = LogisticRegression(fit_intercept=False).fit(both, labels)
        found[half == side] = model.predict_proba(scale.transform(held))[:, 1]
    return [float(value) for value in found]


def _effective(pairs: Sequence[Pair]) -> float:
    total = sum(pair.weight for pair in pairs)
    squares = sum(pair.weight**2 for pair in pairs)
    return total**2 / squares if squares else 0.0
