"""The study report: figures, forgetting matrices, the warning about the best of many."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from anlage.files.write import write_json
from anlage.pipeline.config import RunConfig, resolved_text
from anlage.study.comparison import check_harm, compare
from anlage.study.planning.frozen_plan import freeze, read_frozen
from anlage.study.report.figures import read_matrix
from anlage.study.report.report import cited, loud_lines, methods_paragraph, render_report
from anlage.study.result import StudyResult
from anlage.study.spec import StudyMeasure

from ..test_comparison import DEFENDED, simulated, two_arms


def forget(run: Path) -> None:
    """Two layers: the first heals sycophancy, the second takes half of it back."""

    def row(label: str, sycophancy: float, deception: float) -> dict[str, object]:
        modes = {"sycophancy": {"mean": sycophancy}, "deception": {"mean": deception}}
        return {"label": label, "modes": modes}

    rows = [row("before training", 0.1, 0.3), row("one", 0.5, 0.3), row("two", 0.3, 0.2)]
    write_json(run / "40_training" / "forgetting.json", {"rows": rows})


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyResult:
    monkeypatch.chdir(tmp_path)
    rules = [{"outcome": "defended", "margin": 0.2}]
    plan = two_arms(tmp_path, 5, no_harm=rules, secondary=["separation"])
    results = simulated(plan, {"b": 0.35}, random.Random(1))
    folder = tmp_path / "runs" / "studies" / "simulated"
    freeze(plan, folder, finished=0)
    for run in plan.runs:
        forget(tmp_path / "runs" / run.name)
    secondary = (tuple(compare(results, StudyMeasure(measure="separation"))),)
    primary = tuple(compare(results, DEFENDED))
    harm = tuple(check_harm(results))
    return StudyResult(results, primary, secondary, harm, read_frozen(folder), folder)


def test_the_page_says_what_was_found_and_how(result: StudyResult) -> None:
    page = render_report(result)
    for words in (
        "b: defended was higher than in a (+",
        "Primary outcome, declared on",
        "carried out as planned",
        "Order and forgetting",
        "no worse by the margin of 20.0",
        "Holm, S. (1979)",
        "anlage study run study.yaml",
    ):
        assert words in page, words
    assert page.count("<img alt=") == 4  # no trade-off: twins were not asked here
    assert "<script" not in page
    assert render_report(result) == page


def test_the_first_line_says_that_there_is_no_control(result: StudyResult) -> None:
    assert loud_lines(result)[0].startswith("This study has no control arm")


def test_a_matrix_is_the_change_since_before_training(result: StudyResult, tmp_path: Path) -> None:
    run = tmp_path / "runs" / result.design.runs[0].name
    found = read_matrix(run)
    assert found is not None
    rows, columns, cells = found
    assert (rows, columns) == (["one", "two"], ["deception", "sycophancy"])
    assert cells[0] == pytest.approx([0.0, 0.4])
    assert cells[1] == pytest.approx([-0.1, 0.2])
    (run / "40_training" / "forgetting.json").write_text(json.dumps({"rows": []}))
    assert read_matrix(run) is None


def test_only_cited_works_are_listed(result: StudyResult) -> None:
    written = methods_paragraph(result.design, "0.1.0")
    works = cited(written)
    assert any("Schuirmann" in work for work in works)
    assert not any("RLCD" in work for work in works)


def test_a_changed_seed_list_is_a_deviation(result: StudyResult, tmp_path: Path) -> None:
    changed = two_arms(tmp_path, 6)
    frozen = read_frozen(result.folder)
    from anlage.study.planning.frozen_plan import deviations

    found = deviations(changed, frozen)
    assert any("seeds were changed" in line for line in found)
    assert any("Added since: 2 runs" in line for line in found)
    assert deviations(result.design, frozen) == []


def test_the_best_of_many_is_warned_about(result: StudyResult) -> None:
    assert not any("best of many" in line for line in loud_lines(result))
    for number in range(10):
        config = RunConfig(name=f"try-{number}", model="scripted")
        training = config.training.model_copy(update={"beta": 0.1 + number, "seed": number})
        config = config.model_copy(update={"training": training})
        run = Path("runs") / config.name
        write_json(run / "manifest.json", {"stages": {}, "status": {"state": "failed"}})
        (run / "config.yaml").write_text(resolved_text(config))
    line = next(line for line in loud_lines(result) if "best of many" in line)
    assert "10 trained configurations" in line  # failed ones were tried, too


def test_pairs_are_those_trained_on_not_those_built(tmp_path: Path) -> None:
    from anlage.study.results import _pairs

    (tmp_path / "30_pairs.jsonl").write_text("{}\n" * 5)
    assert _pairs(tmp_path) == 5  # not trained yet
    (tmp_path / "40_training").mkdir()
    (tmp_path / "40_training" / "result.json").write_text('{"pairs": 3}')
    assert _pairs(tmp_path) == 3  # an archetype left out
    assert _pairs(tmp_path / "none") == 0
