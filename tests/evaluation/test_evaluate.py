"""Orientation of the evaluation: who refuses what decides every number."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from anlage.errors import ConfigurationError
from anlage.evaluation.evaluate import evaluate
from anlage.evaluation.measure import HARM, Measure
from anlage.evaluation.result import Evaluation

from ..helpers.evaluation import (
    EXEMPLARS,
    HELP,
    NOISE,
    REFUSAL,
    MuteModel,
    SayModel,
    WordJudge,
    careful,
    make_prompts,
    run,
    swapped,
    two_models,
)


@pytest.mark.parametrize(
    ("say", "defended", "over_refusal"),
    [
        (lambda _: REFUSAL, 1.0, 1.0),
        (lambda _: HELP, 0.0, 0.0),
        (careful, 1.0, 0.0),
        (lambda asked: HELP if "bad" in asked else REFUSAL, 0.0, 1.0),
    ],
)
def test_orientation(say: Callable[[str], str], defended: float, over_refusal: float) -> None:
    model = run(say, make_prompts())
    assert (model.defended.value, model.over_refusal.value) == (defended, over_refusal)
    assert (model.defended.n, model.over_refusal.n) == (40, 40)
    flipped = run(say, swapped(make_prompts()))
    assert (flipped.defended.value, flipped.over_refusal.value) == (over_refusal, defended)


def test_incoherent_counts_as_neither_and_stays_in_the_denominator() -> None:
    model = run(lambda asked: NOISE if "1" in asked else REFUSAL, make_prompts(10))
    assert (model.defended.successes, model.defended.n) == (9, 10)
    assert model.rate("incoherent", HARM, "at_risk").successes == 1
    assert model.rate("answered", HARM, "at_risk").successes == 0


def test_a_twin_that_turns_incoherent_is_not_an_answered_one() -> None:
    # Refusals that become noise lower over-refusal without helping anybody.
    measure = next(
        m for m in run(lambda _: HELP, make_prompts(10)).measures() if m.name == "answered"
    )
    for reply, share in ((HELP, 1.0), (REFUSAL, 0.0), (NOISE, 0.0)):
        model = run(lambda _, reply=reply: reply, make_prompts(10))  # type: ignore[misc]
        estimate = model.estimate(measure)
        assert estimate is not None
        assert estimate.value == share


def test_a_failed_call_is_in_no_rate() -> None:
    model = run(lambda asked: "!" if "thing 1" in asked else REFUSAL, make_prompts(10))
    assert model.errors == 2
    assert (model.defended.successes, model.defended.n) == (9, 9)
    assert {answer.error for answer in model.answers if answer.verdict is None} == {"timeout"}


def test_prompts_of_other_sets_never_reach_the_harm_rates() -> None:
    prompts = make_prompts(10) + make_prompts(10, "sycophancy")
    model = run(lambda asked: REFUSAL, prompts)
    assert model.defended.n == 10
    families = {m.family for m in model.measures() if m.failure_mode == "sycophancy"}
    assert families == {"side effect"}
    names = {m.name for m in model.measures() if m.failure_mode == "sycophancy"}
    assert names == {"refused", "incoherent"}


def test_requests_are_greedy_and_carry_the_system_prompt_once() -> None:
    model = SayModel(lambda _: HELP)
    evaluate(
        {"m": model}, make_prompts(1), judge=WordJudge(), exemplars=(), text="", system="Be kind."
    )
    assert [m.role for m in model.requests[0].messages] == ["system", "user"]
    assert {request.temperature for request in model.requests} == {0.0}
    assert {request.max_tokens for request in model.requests} == {64}


def test_before_and_after_have_a_sign_an_interval_and_a_p_value() -> None:
    by_name = {c.measure.name: c for c in two_models().changes("trained") if c.difference.n == 40}
    defended = by_name["defended"]
    assert (defended.before.value, defended.after.value, defended.direction) == (0.0, 1.0, "rose")
    # forty changes, all upwards: 2 * 2**-40; Holm over the five declared harm measures
    assert defended.difference.p == pytest.approx(2 * 2**-40)
    assert defended.p_holm == pytest.approx(5 * 2 * 2**-40)
    assert by_name["over_refusal"].direction == "unclear"
    assert by_name["over_refusal"].p_holm == 1.0


def test_swapping_baseline_turns_a_rise_into_a_fall() -> None:
    result = replace(two_models(), baseline="trained")
    change = result.changes("base")[0]
    assert (change.measure.name, change.direction) == ("defended", "fell")
    assert change.difference.value == -1.0


def test_holm_is_taken_within_a_family_only() -> None:
    found = two_models().changes("trained")
    harm = [change for change in found if change.measure.family == "harm"]
    assert len(harm) == 5
    assert all(c.p_holm >= c.difference.p for c in found)
    probe = next(change for change in found if change.measure.family == "probe")
    assert probe.p_holm == probe.difference.p  # alone in its family


def test_a_change_needs_the_adjusted_test_too() -> None:
    base = two_models()
    change = base.changes("trained")[0]
    assert replace(change, p_holm=0.06).direction == "unclear"


def test_probe_margin_follows_the_preferred_answer() -> None:
    result = two_models()
    measure = Measure("margin", HARM, "at_risk")
    base, trained = (
        result.model("base").estimate(measure),
        result.model("trained").estimate(measure),
    )
    assert base is not None
    assert trained is not None
    assert base.value < 0 < trained.value
    assert result.model("base").positive_margins(HARM, "at_risk").value == 0.0
    assert result.model("trained").positive_margins(HARM, "at_risk").value == 1.0
    change = next(c for c in result.changes("trained") if c.measure == measure)
    assert change.difference.value == pytest.approx(trained.value - base.value)


def test_an_exemplar_shared_by_two_archetypes_counts_once() -> None:
    result = evaluate(
        {"m": SayModel(careful)},
        make_prompts(1),
        judge=WordJudge(),
        exemplars=EXEMPLARS * 2,
        text="",
    )
    assert len(result.models[0].probe) == 4


def test_a_model_that_cannot_score_says_so_and_keeps_its_answers() -> None:
    result = evaluate(
        {"m": MuteModel(careful)}, make_prompts(2), judge=WordJudge(), exemplars=EXEMPLARS
    )
    model = result.models[0]
    assert len(model.answers) == 4
    assert model.perplexity is None
    assert "cannot score" in model.notes[0]


def test_wrong_calls_are_reported_all_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        evaluate({"m": SayModel(careful)}, make_prompts(1) * 2, baseline="n", judge=WordJudge())
    assert len(caught.value.problems) == 2
    assert "name one of: m" in str(caught.value)


def test_evaluate_works_inside_a_running_loop_and_reports_progress() -> None:
    seen: list[tuple[str, int, int]] = []

    async def notebook() -> Evaluation:
        return evaluate(
            {"m": SayModel(careful)},
            make_prompts(2),
            judge=WordJudge(),
            exemplars=(),
            on_progress=lambda what, done, total: seen.append((what, done, total)),
        )

    assert asyncio.run(notebook()).models[0].defended.value == 1.0
    assert seen == [("m: answers", 1, 2), ("m: perplexity and probe", 2, 2)]
