"""How far the wording of an answer alone, without its prompt, tells good from failing.

    python benchmarks/labelled_wording.py

A bag of words (words, word pairs and punctuation; logistic regression) reads the
answers of the labelled pairs and never a prompt. It is trained on some pairs and
says of others which answer is the good one; 0.50 is a coin. `other topics`: the
pairs it judges have other topics than those it learned from, of all failure
modes. `other modes`: one whole failure mode is left out of its training at a
time. A critic or a probe that does no better than this has shown nothing more
than a taste for words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from anlage.prompts.labelled import LabelledAnswers, load_labelled
from anlage.stats.intervals import Rate
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

TOKEN = r"[\w']+|[;:,.\"!?]"


def right(pairs: Sequence[LabelledAnswers], groups: Sequence[str], folds: object) -> list[bool]:
    """Whether the good answer of each pair scored higher, in its group's held-out turn."""
    found = [False] * len(pairs)
    answers = np.array([text for pair in pairs for text in (pair.good, pair.failing)])
    good = np.tile([True, False], len(pairs))
    for train, held_out in folds.split(pairs, groups=groups):  # type: ignore[attr-defined]
        rows = np.concatenate([2 * train, 2 * train + 1])
        words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=TOKEN, sublinear_tf=True)
        model = LogisticRegression(C=10, max_iter=1000)
        model.fit(words.fit_transform(answers[rows]), good[rows])
        for index in held_out:
            two = words.transform(answers[2 * index : 2 * index + 2])
            scores = model.decision_function(two)
            found[index] = bool(scores[0] > scores[1])
    return found


def main() -> None:
    """Prints one row for each way of holding out, and role."""
    pairs = load_labelled()
    ways = {
        "other topics": ([f"{p.failure_mode}/{p.topic}" for p in pairs], GroupKFold(5)),
        "other modes": ([p.failure_mode for p in pairs], LeaveOneGroupOut()),
    }
    print("| held out | role | pairs | told by wording | 95% interval |\n|---|---|---|---|---|")
    for name, (groups, folds) in ways.items():
        found = right(pairs, groups, folds)
        for role in ("at_risk", "twin"):
            hits = [hit for hit, pair in zip(found, pairs, strict=True) if pair.role == role]
            rate = Rate(sum(hits), len(hits))
            low, high = rate.interval.low, rate.interval.high
            print(f"| {name} | {role} | {rate.n} | {rate.value:.2f} | {low:.2f} to {high:.2f} |")


if __name__ == "__main__":
    main()
