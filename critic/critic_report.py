"""What else is known of a critic that judged labelled pairs: biases, self-preference, errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..constitution.principle import Principle
from ..files.seeds import derive_seed
from ..llm.request import Model, Request
from ..prompts.labelled import ANY_MODE, LabelledPair
from ..stats.intervals import Interval, Rate
from .calibrate import GENERAL_QUESTION, Calibration, as_prompt, summarise
from .compare import AnswerComparison, ComparisonItem, compare
from .routing import route

BINS = 5
"""Bins of the reliability diagram, of equal width over confidences from 0.5 to 1."""

Judged = Sequence[tuple[LabelledPair, AnswerComparison]]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Pairs judged with about the same confidence.

    Attributes:
        low: Lower end of the bin, in [0.5, 1).
        high: Upper end.
        n: Pairs in it.
        confidence: Their mean probability of the answer held better; 0 where n is 0.
        accuracy: Share of them judged right (an exact 0.5 counts half); 0 where n is 0.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class CriticReport:
    """A critic's calibration and its biases.

    Attributes:
        calibration: Accuracy per failure mode and role.
        longer: Decided pairs in which the longer answer was preferred.
        good_is_longer: The same pairs in which the longer answer is the good one: what
            a perfect critic's `longer` would be. The gap is the length bias.
        bins: The reliability diagram's data.
        calibration_error: Expected calibration error in [0, 1] (Naeini et al. 2015):
            mean distance of confidence and accuracy, weighted by pairs.
        unreadable: Pairs for which the critic gave no number or no A or B.
        failed: Those of them for which a call failed.
        left_out: Labelled pairs that no principle could judge.
    """

    calibration: Calibration
    longer: Rate
    good_is_longer: Rate
    bins: tuple[ReliabilityBin, ...]
    calibration_error: float
    unreadable: int
    failed: int
    left_out: int

    def to_json(self) -> dict[str, object]:
        """All of it as plain data."""
        return asdict(self)


def critic_report(fingerprint: str, judged: Judged, *, given: int | None = None) -> CriticReport:
    """Counts what a critic did on labelled pairs.

    Args:
        fingerprint: The critic's.
        judged: Pairs and comparisons whose `first` is the good answer (`judge_pairs`).
        given: Labelled pairs there were; None for as many as were judged.
    """
    unequal = [
        (len(pair.good) > len(pair.failing), comparison.outcome == "first")
        for pair, comparison in judged
        if comparison.outcome in ("first", "second") and len(pair.good) != len(pair.failing)
    ]
    bins = _bins([c for _, c in judged if c.outcome != "abstain"])
    counted = sum(found.n for found in bins)
    gap = sum(found.n * abs(found.accuracy - found.confidence) for found in bins)
    return CriticReport(
        calibration=summarise(fingerprint, judged),
        longer=Rate(sum(longer == good for longer, good in unequal), len(unequal)),
        good_is_longer=Rate(sum(longer for longer, _ in unequal), len(unequal)),
        bins=bins,
        calibration_error=gap / counted if counted else 0.0,
        unreadable=sum(comparison.outcome == "abstain" for _, comparison in judged),
        failed=sum(bool(comparison.failed) for _, comparison in judged),
        left_out=0 if given is None else given - len(judged),
    )


def _bins(comparisons: Sequence[AnswerComparison]) -> tuple[ReliabilityBin, ...]:
    members: list[list[tuple[float, float]]] = [[] for _ in range(BINS)]
    for comparison in comparisons:
        p = comparison.p_first
        confidence = max(p, 1.0 - p)
        index = min(BINS - 1, int((confidence - 0.5) * 2 * BINS))
        members[index].append((confidence, 0.5 if p == 0.5 else float(p > 0.5)))
    width = 0.5 / BINS
    return tuple(
        ReliabilityBin(
            low=round(0.5 + index * width, 6),
            high=round(0.5 + (index + 1) * width, 6),
            n=len(found),
            confidence=sum(c for c, _ in found) / len(found) if found else 0.0,
            accuracy=sum(right for _, right in found) / len(found) if found else 0.0,
        )
        for index, found in enumerate(members)
    )


def agreement(first: Sequence[AnswerComparison], second: Sequence[AnswerComparison]) -> Kappa:
    """How far two critics agree on the same pairs, in the same order.

    Which answer is called A is drawn pair by pair with a fixed seed: were the good one
    always A, two good critics would agree by chance alone. Undecided is a word of its own.

    Raises:
        ValueError: The two differ in length.
    """
    return cohen_kappa(_words(first), _words(second))


def _words(comparisons: Sequence[AnswerComparison]) -> list[str]:
    words = []
    for number, comparison in enumerate(comparisons):
        flip = derive_seed("agreement", number) % 2 == 1
        names = {"first": "B" if flip else "A", "second": "A" if flip else "B"}
        words.append(names.get(comparison.outcome, "undecided"))
    return words


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement of two judges on the same units.

    Attributes:
        value: Cohen's kappa, at most 1; 0 is chance, below 0 less than chance. NaN
            where either nothing was judged or both always gave one and the same word.
        interval: Its 95% percentile bootstrap interval over units; [-1, 1] where NaN.
        observed: Share of units on which they agree, in [0, 1]; NaN without units.
        n: Units.
    """

    value: float
    interval: Interval
    observed: float
    n: int


def cohen_kappa(
    first: Sequence[str], second: Sequence[str], *, resamples: int = 2000, seed: int = 0
) -> Kappa:
    """Cohen's kappa (Cohen 1960) with a bootstrap interval.

    Args:
        first: One judge's words, unit by unit.
        second: The other's, in the same order.
        resamples: Of the bootstrap. Samples whose kappa is not defined are left out.
        seed: Of the bootstrap.

    Raises:
        ValueError: The two differ in length.
    """
    import numpy as np

    if len(first) != len(second):
        raise ValueError(f"kappa needs the same units: {len(first)} and {len(second)}")
    n = len(first)
    if n == 0:
        return Kappa(math.nan, Interval(-1.0, 1.0), math.nan, 0)
    words = sorted({*first, *second})
    place = {word: index for index, word in enumerate(words)}
    table = np.zeros((len(words), len(words)))
    for one, other in zip(first, second, strict=True):
        table[place[one], place[other]] += 1
    # Drawing units with replacement is drawing cells of the table by their shares.
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(n, (table / n).ravel(), size=resamples)
    values = [_kappa(sample.reshape(table.shape)) for sample in drawn]
    known = [value for value in values if not math.isnan(value)]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (-1.0, 1.0)
    value = _kappa(table)
    interval = Interval(-1.0, 1.0) if math.isnan(value) else Interval(float(low), float(high))
    return Kappa(value, interval, float(np.trace(table)) / n, n)


def _kappa(table: object) -> float:
    """Kappa of a table of counts, (W, W) for W words."""
    import numpy as np

    counts = np.asarray(table, dtype=float)  # (W, W)
    n = counts.sum()
    observed = np.trace(counts) / n
    expected = float((counts.sum(axis=0) * counts.sum(axis=1)).sum()) / n**2
    return math.nan if expected >= 1.0 else float((observed - expected) / (1.0 - expected))


@dataclass(frozen=True, slots=True)
class SelfPreference:
    """How a policy's own answers fare with a critic.

    Attributes:
        against_good: Decided comparisons with the good answer that its own answer won.
        against_failing: The same with the failing answer.
        pairs: Labelled pairs it answered.
    """

    against_good: Rate
    against_failing: Rate
    pairs: int


async def self_preference(
    critic: Model,
    policy: Model,
    labelled: Sequence[LabelledPair],
    principles: Sequence[Principle],
    *,
    max_tokens: int = 64,
    seed: int = 0,
) -> SelfPreference:
    """The policy answers the labelled prompts; the critic compares with the written answers.

    A fair critic prefers the policy's own answer to the failing one more often than to the
    good one, and the good one wins mostly (Panickssery et al. 2024, arXiv 2404.13076,
    measure the same kind of gap). Nobody labels the policy's answers, so a strong policy may
    rightly win against the good ones, too: compare with a critic that is another model.
    """
    prompts = [as_prompt(pair, number) for number, pair in enumerate(labelled)]
    asked = [Request(messages=prompt.messages, max_tokens=max_tokens) for prompt in prompts]
    answers = await policy.complete(asked)
    items: list[ComparisonItem] = []
    for pair, prompt, answer in zip(labelled, prompts, answers, strict=True):
        plain = pair.failure_mode == ANY_MODE
        principle = None if plain else route(prompt, principles, seed=seed)
        if answer.outcome.kind != "error" and answer.text.strip() and (principle or plain):
            question = principle.compare if principle else GENERAL_QUESTION
            items += [
                ComparisonItem(prompt.messages, question, answer.text.strip(), written)
                for written in (pair.good, pair.failing)
            ]
    found = await compare(critic, items)
    sides = [[c.outcome for c in found[start::2]] for start in (0, 1)]
    good, failing = (
        Rate(side.count("first"), side.count("first") + side.count("second")) for side in sides
    )
    return SelfPreference(good, failing, len(items) // 2)
