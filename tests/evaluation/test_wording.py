"""Verdicts of failure modes: from the check of a prompt to the headline."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from anlage.cli.render.evaluation import evaluation_report
from anlage.evaluation.change import Change
from anlage.evaluation.evaluate import evaluate, shipped_checks
from anlage.evaluation.measure import Measure
from anlage.evaluation.result import Evaluation
from anlage.evaluation.wording import undecided_texts, verdict_sentence
from anlage.prompts.check import Check, Condition
from anlage.prompts.loader import load_prompts
from anlage.prompts.prompt import Prompt
from anlage.report.run.sections import results_html
from rich.console import Console

from tests.helpers.evaluation import Exemplar, SayModel, WordJudge, make_prompts

MODES = ("sycophancy", "self_misreport", "hallucination")
PROMPTS = [
    replace(prompt, form=f"form-{index // 2 % 10}")
    for mode in MODES
    for index, prompt in enumerate(make_prompts(40, mode))
]
PAIRS = [
    Exemplar("sycophancy", "at_risk", f"ask {i}", f"good {'a ' * i}end", f"failing {'b ' * i}end")
    for i in range(8)
]


def check_of(prompt: Prompt) -> Check:
    """At risk `yes` gives way; on a twin `no` doubts."""
    yes, no = (Condition(any=("yes",)),), (Condition(any=("no",)),)
    if prompt.role == "at_risk":
        return Check(yes, no, ("Yes.",), ("No.",))
    return Check(no, yes, ("No.",), ("Yes.",))


CHECKS = {prompt.id: check_of(prompt) for prompt in PROMPTS}


def evaluated(
    after: Callable[[str], str],
    *,
    before: Callable[[str], str] = lambda asked: "Yes, so it is.",
    checks: dict[str, Check] = CHECKS,
    declared: tuple[str, ...] = ("sycophancy", "self_misreport"),
) -> Evaluation:
    return evaluate(
        {"base": SayModel(before, likes="failing"), "trained": SayModel(after)},
        PROMPTS,
        baseline="base",
        judge=WordJudge(),
        exemplars=PAIRS,
        text="",
        checks=checks,
        declared=declared,
    )


def healed(asked: str) -> str:
    return "No, it is not." if "bad" in asked else "Yes, so it is."


def test_what_is_shown_less_is_better_and_the_headline_says_so() -> None:
    found = evaluated(healed)
    by_measure = {change.measure: change for change in found.changes("trained")}
    change = by_measure[Measure("shown", "sycophancy", "at_risk")]
    assert (change.before.value, change.after.value, change.verdict) == (1.0, 0.0, "better")
    assert change.before.n == 40
    twin = by_measure[Measure("shown", "sycophancy", "twin")]
    assert (twin.before.value, twin.after.value, twin.verdict) == (0.0, 0.0, "unclear")
    sentence = verdict_sentence(found)
    assert "sycophancy in answers to at-risk prompts fell from 100% to 0%" in sentence
    assert "self misreport in answers to at-risk prompts fell" in sentence
    assert "paternalism in answers to their twins stayed at 0%" in sentence
    assert "0% to 0% neither" in sentence
    assert sentence.count("may go unseen") == 2  # the two twins, which did not clearly change
    assert "hallucination" not in sentence
    assert "refus" not in sentence.replace("over refusal in answers", "")


def test_a_check_turned_round_makes_the_healed_model_worse() -> None:
    turned = {n: replace(c, fails=c.keeps, keeps=c.fails) for n, c in CHECKS.items()}
    found = evaluated(healed, checks=turned).changes("trained")
    shown = {c.measure: c.verdict for c in found if c.measure.name == "shown"}
    assert shown[Measure("shown", "sycophancy", "at_risk")] == "worse"


def test_the_refusal_judge_leaves_harm_prompts_with_a_check_to_it() -> None:
    """A yes to "would you decline?" is no compliance, so it must not count as one."""
    prompts = make_prompts(3, "harmful_compliance")
    checks = {prompt.id: check_of(prompt) for prompt in prompts[:4]}
    model = SayModel(lambda asked: "Yes, I do.")
    found = evaluate({"a": model}, prompts, judge=WordJudge(), text="", checks=checks).models[0]
    assert (found.defended.n, found.over_refusal.n) == (1, 1)
    assert found.rate("answered", "harmful_compliance", "twin").n == 1
    shown = found.estimate(Measure("shown", "harmful_compliance", "at_risk"))
    assert shown is not None
    assert (shown.value, shown.n) == (1.0, 2)


def test_an_undecided_answer_is_no_success() -> None:
    found = evaluated(lambda asked: "Perhaps it is so.", before=lambda asked: "Perhaps it is so.")
    model = found.model("base")
    assert model.rate("answered", "sycophancy", "at_risk").n == 40
    assert model.undecided("sycophancy", "at_risk").value == 1.0
    lines = undecided_texts(found)
    assert len(lines) == 6
    assert all("The check is unfit" in line for line in lines)
    assert "100% to 100% neither, so this check is unfit" in verdict_sentence(found)
    assert not any("unfit" in line for line in undecided_texts(evaluated(healed)))


def test_answers_to_one_form_are_no_independent_witnesses() -> None:
    """One form that changes as a whole is one observation, not four."""

    def one_form(asked: str) -> str:
        return healed(asked) if int(asked.split()[-1]) % 10 == 3 else "Yes, so it is."

    change = next(c for c in evaluated(one_form).changes("trained") if c.measure.name == "shown")
    assert change.difference.value == pytest.approx(-0.1)
    assert change.difference.p > 0.5
    assert change.direction == "unclear"


def test_holm_is_taken_over_the_declared_modes_only() -> None:
    two = [c for c in evaluated(healed).changes("trained") if c.measure.family == "failure mode"]
    every = evaluated(healed, declared=()).changes("trained")
    all_three = [c for c in every if c.measure.family == "failure mode"]

    def adjusted(changes: Sequence[Change], mode: str) -> float:
        wanted = Measure("shown", mode, "at_risk")
        return next(change.p_holm for change in changes if change.measure == wanted)

    p = next(c.difference.p for c in two if c.measure.role == "at_risk")
    assert adjusted(two, "sycophancy") == pytest.approx(min(1, 4 * p), rel=0.05)
    assert adjusted(two, "hallucination") == pytest.approx(min(1, 2 * p), rel=0.05)
    assert adjusted(all_three, "sycophancy") == pytest.approx(min(1, 6 * p), rel=0.05)


def test_the_witness_without_a_judge_stands_beside_it_and_may_disagree() -> None:
    found = evaluated(healed)
    change = next(c for c in found.changes("trained") if c.measure.name == "preferred")
    assert (change.before.value, change.after.value, change.difference.n) == (0.0, 1.0, 8)
    assert change.measure.family == "preference"
    assert "pairs about sycophancy whose good answer is likelier" in verdict_sentence(found)
    assert "disagrees" not in verdict_sentence(found)
    worse = evaluated(lambda asked: "Yes, so it is.", before=healed)
    assert "which disagrees with the checks" in verdict_sentence(worse)


def test_the_file_has_new_keys_only_where_a_prompt_has_a_check() -> None:
    found = evaluated(healed)
    data = json.loads(found.to_json())
    assert Evaluation.from_json(found.to_json()) == found
    assert data["declared"] == ["self_misreport", "sycophancy"]
    assert data["neither"]["trained"][0]["share"] == 0.0
    without = evaluated(healed, checks={})
    plain = json.loads(without.to_json())
    assert Evaluation.from_json(without.to_json()) == without
    assert not {"declared", "neither"} & plain.keys()
    assert not any("checked" in model for model in plain["models"])


def test_terminal_and_report_show_the_modes() -> None:
    found = evaluated(healed)
    console = Console(file=io.StringIO(), width=160)
    console.print(evaluation_report(found))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for text in (shown, results_html(found)):
        assert "failure shown, sycophancy, at risk" in text
        assert "neither failing nor keeping, sycophancy, twin: base 0%" in text
    assert "Failure modes, by the prompts' own checks" in results_html(found)


def test_one_model_alone_has_rates_too() -> None:
    sentence = verdict_sentence(replace(evaluated(healed), baseline=None))
    assert "failure shown, sycophancy, at risk 100% (95% 91 to 100, n=40)" in sentence
    assert "no harm prompts" not in sentence


def test_shipped_prompts_bring_their_checks() -> None:
    prompts = load_prompts("dev", sets="sycophancy")
    checks = shipped_checks(prompts)
    assert len(checks) == 48
    own = [replace(prompt, form="another") for prompt in prompts]
    assert shipped_checks(own) == {}
