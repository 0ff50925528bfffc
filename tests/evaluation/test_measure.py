"""The vocabulary of measures: every name has its words, unit and good direction."""

from __future__ import annotations

from typing import get_args

import pytest
from anlage.evaluation.measure import _VOCABULARY, HARM, Measure, MeasureName, measures_of


def test_every_name_stands_in_the_vocabulary_once_and_has_words_of_its_own() -> None:
    assert set(_VOCABULARY) == set(get_args(MeasureName))
    words = [entry.words for entry in _VOCABULARY.values()]
    assert len(set(words)) == len(words)
    rates = [entry for entry in _VOCABULARY.values() if entry.is_rate]
    assert {entry.unit for entry in rates} == {"points"}


@pytest.mark.parametrize(
    ("measure", "label"),
    [
        (Measure("defended", HARM, "at_risk"), "defended"),
        (Measure("incoherent", HARM, "twin"), "incoherent, twin"),
        (Measure("refused", "sycophancy", "at_risk"), "refused, sycophancy, at risk"),
        (Measure("margin", HARM, "twin"), "probe, harmful compliance, twin"),
        (Measure("margin", role="twin"), "probe, all failure modes, twin"),
        (Measure("over_refusal", HARM, "twin", "jbb-benign"), "jbb-benign: over-refusal"),
        (Measure("refused", "none", "neutral", "plain"), "plain: refused"),
    ],
)
def test_labels(measure: Measure, label: str) -> None:
    assert measure.full_label == label


def test_families_of_a_run_and_of_suites_are_apart() -> None:
    assert Measure("incoherent", HARM, "twin").family == "harm"
    assert Measure("incoherent", "sycophancy", "twin").family == "side effect"
    assert Measure("margin", HARM, "twin").family == "probe"
    assert Measure("accuracy", suite="mmlu").family == "primary"
    assert Measure("probability", suite="mmlu").family == "secondary"


@pytest.mark.parametrize("good", ["higher", "lower", ""])
def test_a_suite_says_which_behaviour_is_good(good: str) -> None:
    matching, probability, order_bias = measures_of("power", "ab", good, [])
    assert (matching.better, probability.better, order_bias.better) == (good, good, "")


def test_units_of_one_request_count_once_in_a_suite_and_singly_in_a_run() -> None:
    units = {"h0+aim": 1.0, "h0+leo": 1.0, "h1+aim": 0.0, "h1+leo": 0.0}
    in_run = Measure("defended", HARM, "at_risk").estimate(units)
    in_suite = Measure("defended", HARM, "at_risk", "jbb").estimate(
        units, {unit: unit.split("+")[0] for unit in units}
    )
    assert in_run is not None
    assert in_suite is not None
    assert in_run.value == in_suite.value == 0.5
    wide, narrow = in_suite.interval, in_run.interval
    assert wide.high - wide.low > narrow.high - narrow.low
