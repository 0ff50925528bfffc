"""Suites in a run's report: kept with the run, never of other weights, nothing swapped."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from anlage.evaluation.judges.refusal_judge import RefusalJudge
from anlage.evaluation.suites.evaluation import SuiteEvaluation
from anlage.evaluation.suites.load import LoadedSuite
from anlage.evaluation.suites.run import evaluate_suites
from anlage.inspection.suites import joined, keep_with_run
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel
from anlage.report.drawing import forest_plot, forest_rows
from anlage.report.run.artefacts import SUITES
from anlage.report.run.report import write_report
from anlage.report.run.suites import attacks_of, plane_points

from ...helpers.evaluation import two_models
from ...helpers.suites import HARMFUL, HARMLESS, HELP, REFUSAL, prompt_suite
from .test_report import Page, write_run

JUDGE = RefusalJudge.load()
BAD, GOOD = prompt_suite("our-bad", "at_risk"), prompt_suite("our-good", "twin", HARMLESS)


def attacked(suite: LoadedSuite, attack: str) -> LoadedSuite:
    name = f"{suite.suite.name}+{attack}"
    return replace(suite, suite=suite.suite.model_copy(update={"name": name}))


def measured(*suites: LoadedSuite) -> SuiteEvaluation:
    def comply(_: Request) -> str:
        return HELP

    def careful(request: Request) -> str:
        return REFUSAL if request.messages[-1].content in HARMFUL else HELP

    models = {"base": ScriptedModel(comply, name="c"), "trained": ScriptedModel(careful, name="r")}
    found = asyncio.run(evaluate_suites(models, suites, judge=JUDGE))
    own = {model.name: model.fingerprint for model in two_models().models}
    names = dict(zip(("base", "trained"), own.values(), strict=True))
    renamed = tuple(replace(m, fingerprint=names[m.name]) for m in found.models)
    return replace(found, models=renamed)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path / "demo")


def test_suites_are_shown_in_the_report_of_their_run(run_dir: Path) -> None:
    found = measured(BAD, GOOD, attacked(BAD, "email"))
    page = Page(keep_with_run(run_dir, found).read_text(encoding="utf-8"))
    titles = ("Suites", "Attacks and settings", "Abilities and values", "The judge")
    assert [title for title in titles if title in page.text] == list(titles)
    assert "our-bad: defended 6 0% 100% +100" in page.text
    assert "our-good: over-refusal 6 0% 0%" in page.text
    alts = [value for name, value in page.attributes if name == "alt" and value]
    assert any("Heat map of defended rates" in alt for alt in alts)
    assert any("one arrow per pair of suites" in alt for alt in alts)
    # what is not there is named with the command that measures it
    assert "--profile capability" in page.text


def test_a_report_without_suites_says_how_to_get_them(run_dir: Path) -> None:
    page = Page(write_report(run_dir).read_text(encoding="utf-8"))
    assert "--profile targets --suite-dir DIR" in page.text
    assert "Attacks and settings" not in page.text


def test_suites_of_other_weights_are_not_shown_as_this_runs(run_dir: Path) -> None:
    found = measured(BAD, GOOD)
    other = replace(found.models[1], fingerprint="another")
    keep_with_run(run_dir, replace(found, models=(found.models[0], other)))
    page = Page(write_report(run_dir).read_text(encoding="utf-8"))
    assert "measured on other weights than this run's (trained)" in page.text
    assert "our-bad: defended" not in page.text


def test_a_damaged_file_is_named_and_replaced(run_dir: Path) -> None:
    (run_dir / SUITES).write_text("{", encoding="utf-8")
    page = Page(write_report(run_dir).read_text(encoding="utf-8"))
    assert f"{SUITES} could not be read" in page.text
    keep_with_run(run_dir, measured(BAD))
    assert json.loads((run_dir / SUITES).read_text())["models"][1]["suites"][0]["suite"] == BAD.name


def test_later_suites_join_earlier_ones_and_replace_the_same() -> None:
    first, second = measured(BAD, GOOD), measured(attacked(BAD, "email"), GOOD)
    names = [outcome.suite for outcome in joined(first, second).models[1].suites]
    assert names == ["our-bad", "our-good", "our-bad+email"]
    swapped = replace(second.models[1], fingerprint="another")
    other = joined(first, replace(second, models=(second.models[0], swapped)))
    assert [outcome.suite for outcome in other.models[1].suites] == ["our-bad+email", "our-good"]
    assert joined(first, replace(second, system="Be kind.")).system == "Be kind."
    assert len(joined(first, replace(second, system="Be kind.")).models[1].suites) == 2


def test_plane_and_attacks_put_each_suite_where_it_belongs() -> None:
    found = measured(BAD, GOOD, attacked(BAD, "email"), attacked(GOOD, "email"))
    points = plane_points(found.models[1])
    assert list(points) == ["our", "our+email"]
    over_refusal, defended = points["our"]
    assert (over_refusal.value, defended.value) == (0.0, 1.0)
    assert attacks_of(found.models) == ["our-bad", "our-bad+email"]


def test_forest_shows_a_loss_as_a_loss() -> None:
    from anlage.evaluation.change import changes

    found = measured(BAD, GOOD)
    before, after = found.models
    gained = forest_rows(changes(before, after))
    lost = forest_rows(changes(after, before))
    assert gained[0].value == 100.0
    assert lost[0].value == -100.0
    assert gained[0].low > 0 > lost[0].high
    assert forest_plot(gained, "points") == forest_plot(gained, "points")
    assert forest_plot(gained, "points") != forest_plot(lost, "points")
