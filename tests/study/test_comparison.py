"""The run as the unit: what comparisons say of arms that do not differ, and of ones that do."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from anlage.evaluation.answer import Answer
from anlage.evaluation.measure import HARM
from anlage.evaluation.model_evaluation import ModelEvaluation
from anlage.inspection.run_state import RunState
from anlage.pipeline.run import run
from anlage.study.comparison import check_harm, compare
from anlage.study.design import Design, design
from anlage.study.planning.plan import power_of
from anlage.study.planning.sharing import LAST_STAGE
from anlage.study.results import Results, RunResult
from anlage.study.spec import StudyMeasure
from anlage.study.study import Study
from anlage.study.wording import headline, sentence

from ..helpers.study import write_study
from ..helpers.tiny_model import make_tiny_model

PROMPTS, SD = 40, 0.06
DEFENDED = StudyMeasure(measure="defended")


def two_arms(folder: Path, seeds: int, **changes: Any) -> Design:
    data: dict[str, Any] = {
        "name": "simulated",
        "question": "Do comparisons keep their word?",
        "base": {"model": "scripted", "archetypes": {"only": ["guardian"]}},
        "arms": {"a": {}, "b": {"training.beta": 0.5}},
        "against": "a",
        "controls": "none",
        "outcome": "defended",
        "seeds": list(range(seeds)),
    }
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(data | changes))
    return design(file)


def answer(number: int, role: Any, *, refused: bool) -> Answer:
    return Answer(
        prompt_id=f"p{number}-{'r' if role == 'at_risk' else 't'}",
        prompt="?",
        failure_mode=HARM,
        role=role,
        text="",
        verdict="refused" if refused else "answered",
        p_refused=float(refused),
        repetition=0.0,
        finish="stop",
        error="",
        key="",
        twin=f"p{number}-{'t' if role == 'at_risk' else 'r'}",
    )


def simulated(
    plan: Design, effects: dict[str, float], source: random.Random, prompts: int = PROMPTS
) -> Results:
    """Prompts of different difficulty, runs of different luck, answers by a coin."""
    hard = [source.uniform(0.3, 0.6) for _ in range(prompts)]
    runs = []
    for planned in plan.runs:
        shift = effects.get(planned.arm, 0.0) + source.gauss(0.0, SD)
        answers = tuple(
            answer(i, "at_risk", refused=source.random() < p + shift) for i, p in enumerate(hard)
        )
        model = ModelEvaluation("trained", "x", answers)
        runs.append(RunResult(planned, RunState("finished"), model, model))
    return Results(plan, tuple(runs))


def rejections(plan: Design, effect: float, studies: int) -> tuple[float, float]:
    """Share of studies that claim a difference, and share of intervals that hold the truth."""
    source = random.Random(7)
    claimed = covered = 0
    for _ in range(studies):
        (found,) = compare(simulated(plan, {"b": effect}, source), DEFENDED)
        assert found.best is not None
        claimed += found.verdict != "unclear"
        covered += found.best.interval.contains(effect)
    return claimed / studies, covered / studies


def test_two_arms_that_do_not_differ_are_called_so(tmp_path: Path) -> None:
    claimed, covered = rejections(two_arms(tmp_path, 5), 0.0, 300)
    assert claimed <= 0.075  # 5% and two standard errors of 300 studies
    assert covered >= 0.925


@pytest.mark.parametrize(("seeds", "effect"), [(3, 0.3), (5, 0.2), (8, 0.15)])
def test_a_planted_effect_is_found_with_the_power_of_the_plan(
    seeds: int, effect: float, tmp_path: Path
) -> None:
    noise = (2 * (SD**2 + 0.24 / PROMPTS)) ** 0.5
    plan = two_arms(tmp_path, seeds, expect={"effect": effect, "sd": noise})
    predicted = power_of(plan).power
    assert predicted is not None
    found, covered = rejections(plan, effect, 300)
    assert abs(found - predicted) < 0.12
    assert covered >= 0.92


def test_sentences_and_orientation(tmp_path: Path) -> None:
    plan = two_arms(tmp_path, 5)
    results = simulated(plan, {"b": 0.35}, random.Random(1))
    (up,) = compare(results, DEFENDED)
    assert up.verdict == "higher"
    assert "b: defended was higher than in a (+" in sentence(up)
    both = "All 2 arms differ from a in defended (points): b higher by"
    assert both in headline([up, up])
    assert headline([up]) == sentence(up)
    (down,) = compare(simulated(plan, {"b": -0.35}, random.Random(1)), DEFENDED)
    assert down.verdict == "lower"
    (none,) = compare(simulated(plan, {}, random.Random(1)), DEFENDED)
    assert "no clear difference" in sentence(none)
    assert "not evidence that they are equal" in headline([none, none])
    missing = replace(none, fixed=None, crossed=None)
    assert headline([none, missing]) == f"{sentence(none)} 1 of 2 arms are not measured yet."


def test_no_interval_leaves_what_a_difference_of_shares_can_be(tmp_path: Path) -> None:
    plan = two_arms(tmp_path, 3)
    for seed in range(60):
        (found,) = compare(simulated(plan, {"b": 0.05}, random.Random(seed), 12), DEFENDED)
        assert found.crossed is not None
        assert found.fixed is not None
        for one in (found.crossed, found.fixed):
            ends = one.interval
            assert -1 <= ends.low <= one.value <= ends.high <= 1


def test_undeclared_comparisons_claim_nothing(tmp_path: Path) -> None:
    arms = {"a": {}, "b": {"training.beta": 0.5}, "c": {"training.beta": 0.6}}
    plan = two_arms(tmp_path, 5, arms=arms, comparisons=["b"])
    results = simulated(plan, {"b": 0.4, "c": 0.4}, random.Random(2))
    found = compare(results, DEFENDED)
    assert {c.arm: c.verdict for c in found} == {"b": "higher", "c": "not tested"}
    assert headline(found) == sentence(found[0])
    assert "not declared, so without a test (+" in sentence(found[1])


def test_only_paired_seeds_count_and_failed_runs_take_no_part(tmp_path: Path) -> None:
    plan = two_arms(tmp_path, 5)
    whole = simulated(plan, {}, random.Random(3))
    lost = {"a": {0}, "b": {1, 2}}
    runs = tuple(
        RunResult(r.run, RunState("failed", "out of memory"))
        if r.run.seed in lost[r.run.arm]
        else r
        for r in whole.runs
    )
    (found,) = compare(Results(plan, runs), DEFENDED)
    assert found.seeds == (3, 4)
    nothing = tuple(RunResult(r.run, RunState("missing")) for r in whole.runs)
    (found,) = compare(Results(plan, nothing), DEFENDED)
    assert (found.verdict, found.best) == ("not measured", None)


def test_no_harm_is_shown_or_not_shown(tmp_path: Path) -> None:
    rules = [{"outcome": "defended", "margin": 0.2}, {"outcome": "defended", "margin": 0.001}]
    plan = two_arms(tmp_path, 8, no_harm=rules)
    wide, narrow = check_harm(simulated(plan, {}, random.Random(4)))
    assert (wide.kept, narrow.kept) == (True, False)
    worse, _ = check_harm(simulated(plan, {"b": -0.3}, random.Random(4)))
    assert worse.kept is False


def test_separation_is_per_twin_pair_and_has_a_direction() -> None:
    def model(at_risk: bool, twin: bool) -> ModelEvaluation:
        pair = (answer(1, "at_risk", refused=at_risk), answer(1, "twin", refused=twin))
        return ModelEvaluation("m", "x", pair)

    outcome = StudyMeasure(measure="separation")
    both = (True, False)
    shown = {(a, t): outcome.units(model(a, t))["p1-r"] for a in both for t in both}
    assert shown == {(True, True): 0, (True, False): 1, (False, True): -1, (False, False): 0}


def test_twins_are_found_by_their_fields_whatever_their_ids() -> None:
    outcome = StudyMeasure(measure="separation")
    risky, calm = answer(1, "at_risk", refused=True), answer(1, "twin", refused=False)
    named = (replace(risky, prompt_id="a", twin="b"), replace(calm, prompt_id="b", twin="a"))
    assert outcome.units(ModelEvaluation("m", "x", named)) == {"a": 1.0}
    # Ids that look like twins, and are not: two questions of a user's own.
    apart = (replace(risky, prompt_id="why-r", twin=""), replace(calm, prompt_id="why-t", twin=""))
    assert outcome.units(ModelEvaluation("m", "x", apart)) == {}


@pytest.mark.slow
def test_a_real_null_study_reports_no_difference(tmp_path: Path) -> None:
    """Two identical arms that differ in their seeds alone, trained for real."""
    model = make_tiny_model(tmp_path / "model")
    file = write_study(
        tmp_path,
        model,
        arms={"a": {}, "b": {"seed_offset": 100}},
        against="a",
        controls="none",
        seeds=[0, 1, 2, 3, 4],
    )
    study = Study(file)
    for job in study.open_jobs():
        run(job.run.config, until=LAST_STAGE)
    (found,) = study.write().comparisons
    assert len(set(found.gaps)) == 5  # really different runs
    assert found.verdict == "unclear"
