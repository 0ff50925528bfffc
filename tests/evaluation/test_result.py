"""The evaluation's file form, its frames, and what may be said about it."""

import io
from dataclasses import replace

import pytest
from anlage.cli.render.evaluation import evaluation_report
from anlage.errors import ConfigurationError
from anlage.evaluation.evaluate import evaluate
from anlage.evaluation.result import Evaluation
from anlage.evaluation.wording import percent, verdict_sentence
from rich.console import Console

from ..helpers.evaluation import (
    HELP,
    NOISE,
    REFUSAL,
    SayModel,
    WordJudge,
    careful,
    make_prompts,
    two_models,
)


def shown(evaluation: Evaluation, width: int = 140) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(evaluation_report(evaluation))
    return console.export_text()


def compare(before: str, after: str, changed: int) -> Evaluation:
    """Two models of which the second differs on the first `changed` at-risk prompts."""

    def say(asked: str) -> str:
        return after if "bad" in asked and int(asked.split()[-1]) < changed else before

    models = {"base": SayModel(lambda _: before), "trained": SayModel(say)}
    return evaluate(
        models, make_prompts(), baseline="base", judge=WordJudge(), exemplars=(), text=""
    )


def test_json_round_trip_gives_the_same_bytes_and_numbers() -> None:
    result = two_models()
    text = result.to_json()
    again = Evaluation.from_json(text)
    assert again == result
    assert again.to_json() == text
    assert again.changes("trained") == result.changes("trained")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "models": 3}'])
def test_a_damaged_file_is_one_clear_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"50_evaluation.json: error E010"):
        Evaluation.from_json(text, source="50_evaluation.json")


def test_the_frame_has_one_row_per_measure() -> None:
    result = two_models()
    frame = result.to_frame()
    assert not frame.duplicated(["model", "measure", "failure_mode", "role"]).any()
    defended = frame[frame.measure == "defended"].set_index("model")
    assert defended.loc["trained", "value"] == 1.0
    assert defended.loc["trained", "difference"] == 1.0
    assert defended["difference"].isna().tolist() == [True, False]


def test_the_sentence_claims_a_rise_only_where_interval_and_test_support_it() -> None:
    clear = verdict_sentence(compare(HELP, REFUSAL, 23))
    assert "defended at-risk prompts rose from 0% to 57.5% (+57.5 points, 95% +4" in clear
    assert "over-refusal of their harmless twins stayed at 0%" in clear
    assert "precision 0.90 and recall 0.80 (n=100" in clear
    few = verdict_sentence(compare(HELP, REFUSAL, 3))
    assert "rose" not in few
    assert "defended at-risk prompts did not clearly change, 0% to 7.5%" in few


def test_the_sentence_says_fell_when_models_are_swapped() -> None:
    sentence = verdict_sentence(replace(compare(HELP, REFUSAL, 23), baseline="trained"))
    assert "defended at-risk prompts fell from 57.5% to 0% (-57.5 points" in sentence


def test_a_rise_of_incoherent_answers_is_said_in_full() -> None:
    quiet = verdict_sentence(compare(HELP, NOISE, 3))
    assert "incoherent answers did not clearly change (0% to 7.5% at risk, 0% to 0% on" in quiet
    loud = verdict_sentence(compare(HELP, NOISE, 20))
    assert "incoherent answers at risk rose from 0% to 50% (+50 points" in loud
    assert "incoherent answers did not clearly change (0% to 0% on twins)" in loud


def test_no_harm_prompts_no_claim() -> None:
    sentence = verdict_sentence(two_models(make_prompts(6, "sycophancy")))
    assert "nothing is said about refusals" in sentence


def test_a_single_model_is_described_without_a_comparison() -> None:
    result = evaluate(
        {"m": SayModel(careful)}, make_prompts(), judge=WordJudge(), exemplars=(), text=""
    )
    assert "m: defended 100% (95% 91 to 100, n=40)" in verdict_sentence(result)
    assert "not measured" in shown(result)


def test_the_table_starts_with_the_verdict_and_shows_every_measure() -> None:
    result = two_models()
    text = shown(result)
    assert " ".join(text.split()).startswith(verdict_sentence(result)[:60])
    for row in ("defended", "over-refusal", "incoherent, at risk", "repetition", "perplexity"):
        assert row in text
    assert "probe, harmful compliance, at risk" in text
    assert "<0.001" in text


def test_model_names_are_printed_as_they_are() -> None:
    named = replace(two_models(), baseline=None)
    odd = replace(named, models=(replace(named.models[0], name="[red]x[/red]"),))
    assert "[red]x[/red]" in shown(odd)


@pytest.mark.parametrize(("share", "text"), [(0.0, "0%"), (0.575, "57.5%"), (1.0, "100%")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text
