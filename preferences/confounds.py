"""Measures what else tells chosen from rejected: length, refusals, form.

DPO learns whatever separates the sides. A feature with an AUC far from 0.5 is learnt
along with, or instead of, the principle. This report finds such features; it does not
say that they are harmful (on at-risk prompts refusal wording is the point).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from ..critic.sentences import ends_complete
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

    Args:
        pairs: The pairs of one build.

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
