"""Fits the refusal judge: `python -m anlage.evaluation.judges.fit` writes its weights.

Deterministic: the same examples and library versions give the same bytes. Needs
scikit-learn; judging does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...errors import ConfigurationError, Problem
from ...files.lines import numbered
from ...prompts.labelled import load_labelled
from ...prompts.loader import load_prompts
from ...prompts.prompt import Split
from ...stats.intervals import wilson
from .features import BLOCKS, CUES, block_grams, cue_values
from .incoherence import COMMON, common_stems
from .refusal_judge import FORMAT, WEIGHTS, RefusalJudge

EXAMPLES = Path(__file__).with_name("judge_examples.jsonl")
MAX_FEATURES = {"head_word": 2500, "head_char": 4000, "rest_word": 1500}
INVERSE_PENALTY = 2.0  # C of the regression
THRESHOLD = 0.5  # set on the tuning halves that benchmarks/judge.py names
DECIMALS = 5
_SPLITS: tuple[Split, ...] = ("train", "dev")

Label = Literal["refused", "answered"]


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled answer. `kind` says how it was written; the fit ignores it."""

    prompt: str
    answer: str
    label: Label
    kind: str
    split: Literal["fit", "held_out"]


def load_examples(path: Path = EXAMPLES) -> list[Example]:
    """The labelled answers, in the file's order.

    Raises:
        ConfigurationError: Rows that do not validate, all at once.
    """
    problems, examples = [], []
    for number, line in numbered(path.read_text(encoding="utf-8")):
        try:
            example = Example(**json.loads(line))
        except (ValueError, TypeError) as error:
            problems.append(Problem("E002", "error", str(path), number, str(error)))
            continue
        if example.label not in ("refused", "answered") or example.split not in ("fit", "held_out"):
            got = f"label {example.label!r}, split {example.split!r}"
            fix = "label is refused or answered, split is fit or held_out."
            problems.append(Problem("E002", "error", str(path), number, got, fix))
        examples.append(example)
    if problems:
        raise ConfigurationError(problems)
    return examples


def fit_pipeline(examples: Sequence[Example]) -> tuple[list[Any], Any]:
    """Fitted scikit-learn vectorizers, one per block, and the logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    answers = [example.answer for example in examples]
    vectorizers = []
    for block in BLOCKS:
        vectorizer = TfidfVectorizer(
            analyzer=_Analyzer(block), max_features=MAX_FEATURES[block], min_df=2, sublinear_tf=True
        )
        vectorizers.append(vectorizer.fit(answers))
    # Newton converges to machine precision, so that rounding gives the same digits.
    regression = LogisticRegression(
        C=INVERSE_PENALTY, class_weight="balanced", solver="newton-cg", tol=1e-10, max_iter=500
    )
    labels = [example.label == "refused" for example in examples]
    return vectorizers, regression.fit(features(vectorizers, answers), labels)


def features(vectorizers: Sequence[Any], answers: Sequence[str]) -> Any:
    """Sparse feature matrix of the answers, cues last."""  # (N, F)
    from scipy.sparse import csr_array, hstack

    blocks = [vectorizer.transform(answers) for vectorizer in vectorizers]
    cues = csr_array([cue_values(answer) for answer in answers])
    return hstack([*blocks, cues]).tocsr()


def fit(examples: Sequence[Example]) -> dict[str, Any]:
    """Content of a weights file, fitted on `fit` rows and measured on `held_out` rows.

    Raises:
        ConfigurationError: A split lacks one of the two labels.
    """
    for split in ("fit", "held_out"):
        labels = {example.label for example in examples if example.split == split}
        if len(labels) < 2:
            got = f"split {split!r} has only the labels {sorted(labels)}"
            raise ConfigurationError.one("E003", EXAMPLES.name, got, "It needs both labels.")
    vectorizers, regression = fit_pipeline([e for e in examples if e.split == "fit"])
    coefficients = iter(regression.coef_[0].tolist())
    blocks = {}
    for block, vectorizer in zip(BLOCKS, vectorizers, strict=True):
        grams = vectorizer.get_feature_names_out().tolist()
        idfs = vectorizer.idf_.tolist()
        blocks[block] = {
            gram: [round(idf, DECIMALS), round(next(coefficients), DECIMALS)]
            for gram, idf in zip(grams, idfs, strict=True)
        }
    weights: dict[str, Any] = {
        "format": FORMAT,
        "examples_sha256": _digest(examples),
        "threshold": THRESHOLD,
        "intercept": round(float(regression.intercept_[0]), DECIMALS),
        "cues": {cue: round(next(coefficients), DECIMALS) for cue in CUES},
        "quality": dict.fromkeys(("precision", "recall", "f1", "n"), 0.0)
        | {"precision_interval": [0.0, 1.0], "recall_interval": [0.0, 1.0]},
        "blocks": blocks,
    }
    judge = RefusalJudge.from_weights(weights)
    weights["quality"] = measure(judge, [e for e in examples if e.split == "held_out"])
    return weights


def measure(judge: RefusalJudge, examples: Sequence[Example]) -> dict[str, Any]:
    """Precision, recall and F1 of `refused`, with Wilson 95% intervals and n.

    A rate without any case (no refusal found, none present) is 0.
    """
    truth = [example.label == "refused" for example in examples]
    found = [judge.verdict(e.prompt, e.answer) == "refused" for e in examples]
    right = sum(t and f for t, f in zip(truth, found, strict=True))
    precision, recall = wilson(right, sum(found)), wilson(right, sum(truth))
    return {
        "precision": round(right / max(1, sum(found)), DECIMALS),
        "precision_interval": [round(end, DECIMALS) for end in (precision.low, precision.high)],
        "recall": round(right / max(1, sum(truth)), DECIMALS),
        "recall_interval": [round(end, DECIMALS) for end in (recall.low, recall.high)],
        "f1": round(2 * right / max(1, sum(found) + sum(truth)), DECIMALS),
        "n": len(examples),
    }


def to_json(weights: dict[str, Any]) -> str:
    """The weights as the text of their file: one n-gram per line, sorted as fitted."""
    text = json.dumps(weights, ensure_ascii=True, separators=(",", ":"))
    return text.replace("],", "],\n") + "\n"


class _Analyzer:
    """Gives scikit-learn the n-grams of one block."""

    def __init__(self, block: str) -> None:
        self.block = block

    def __call__(self, answer: str) -> list[str]:
        return block_grams(answer)[self.block]


def _digest(examples: Sequence[Example]) -> str:
    rows = [[e.prompt, e.answer, e.label, e.split] for e in examples]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def own_texts() -> list[str]:
    """Our prompts, labelled answers and examples, test split left out: what is common English."""
    prompts = [prompt.text for split in _SPLITS for prompt in load_prompts(split)]
    labelled = [text for pair in load_labelled() for text in (pair.good, pair.failing)]
    examples = [text for e in load_examples() for text in (e.prompt, e.answer)]
    return [*prompts, *labelled, *examples]


def main() -> None:
    """Fit on the shipped examples, write the weights, print the quality."""
    weights = fit(load_examples())
    COMMON.write_text("\n".join(common_stems(own_texts())) + "\n", encoding="utf-8")
    text = to_json(weights)
    WEIGHTS.write_text(text, encoding="utf-8")
    print(f"{WEIGHTS.name}: {len(text) / 1024:.0f} KiB, held out: {json.dumps(weights['quality'])}")


if __name__ == "__main__":
    main()
