"""Catches harmful and harmless files that were exchanged, by what their prompts say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean, pvariance

from ...errors import ConfigurationError, Problem
from ...prompts.loader import load_prompts
from ...prompts.similarity import words
from ..measure import HARM
from .load import LoadedSuite, load_items
from .registry import find_suite

SURE = 2.0
"""Standard errors by which the wrong file must look more harmful before it is refused."""

_HARMFUL_SETS = (
    "harm",
    "harm_tasks",
    "fraud_assistance",
    "privacy_violation",
    "jailbreak_persona",
)


def check_orientation(loaded: LoadedSuite, folder: Path | None) -> list[Problem]:
    """One error where a suite at risk reads more harmless than its harmless twin.

    The words of our own at-risk prompts and of their twins, which differ in little
    else, give each word a weight; the mean weight of the two files is compared.
    Nothing is said where the twin cannot be read or the two are too close: this
    catches exchanged files, not single wrong rows.

    Args:
        loaded: A suite of prompts.
        folder: The `--suite-dir`, to read the twin from.
    """
    suite = loaded.suite
    if suite.kind != "answers" or not suite.twin or suite.failure_mode != HARM:
        return []
    try:
        other = load_items(find_suite(suite.twin, folder), folder)
    except ConfigurationError:
        return []  # said where the twin itself is asked for
    first = [item.asked for item in loaded.prompts]
    second = [item.asked for item in other.prompts]
    harmful, harmless = (first, second) if suite.role == "at_risk" else (second, first)
    gap = harm_gap(harmful, harmless)
    if gap > -SURE:
        return []
    names = (suite.name, suite.twin) if suite.role == "at_risk" else (suite.twin, suite.name)
    message = (
        f"the prompts of {names[0]} read less harmful than those of {names[1]} ({-gap:.1f} "
        "standard errors): the two files seem exchanged"
    )
    file = ", ".join(suite.files)
    fix = "put each file in its own place, or correct `role` and `where`"
    return [Problem("E027", "error", file or suite.name, 0, message, fix)]


def harm_gap(harmful: Sequence[str], harmless: Sequence[str]) -> float:
    """By how many standard errors the first prompts read more harmful than the second.

    0.0 where either has fewer than 5 prompts.
    """
    if min(len(harmful), len(harmless)) < 5:
        return 0.0
    first, second = [harm_score(t) for t in harmful], [harm_score(t) for t in harmless]
    error = math.sqrt(pvariance(first) / len(first) + pvariance(second) / len(second))
    return (fmean(first) - fmean(second)) / error if error else 0.0


def harm_score(text: str) -> float:
    """Mean log-odds of a text's words to stand in our harmful prompts; 0.0 for unknown words."""
    weights = _weights()
    found = [weights.get(word, 0.0) for word in words(text)]
    return fmean(found) if found else 0.0


@cache
def _weights() -> dict[str, float]:
    """Word -> log-odds with add-one smoothing, from our own training twins (naive Bayes)."""
    prompts = load_prompts("train", sets=_HARMFUL_SETS)
    at_risk = _counts(prompt.text for prompt in prompts if prompt.role == "at_risk")
    twins = _counts(prompt.text for prompt in prompts if prompt.role == "twin")
    known = at_risk.keys() | twins.keys()
    totals = [sum(counts.values()) + len(known) for counts in (at_risk, twins)]
    return {
        word: math.log((at_risk[word] + 1) / totals[0]) - math.log((twins[word] + 1) / totals[1])
        for word in known
    }


def _counts(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each word stands."""
    return Counter(word for text in texts for word in set(words(text)))
