"""The report's sections on layers, rounds and conditions, from artefacts written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from anlage.pipeline.config import RunConfig, resolved_text
from anlage.report.run.conditions import rounds_html
from anlage.report.run.report import write_report

from ...helpers.evaluation import two_models

HOSTILE = "<script>x</script>"


def cell(mean: float, change: float | None = None) -> dict[str, float]:
    found = {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "n": 16}
    if change is not None:
        found |= {"change": change, "change_low": change - 0.1, "change_high": change + 0.1}
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = RunConfig.model_validate({"name": "x", "conditions": "healthy"})
    (tmp_path / "config.yaml").write_text(resolved_text(config))
    training = tmp_path / "40_training"
    training.mkdir()
    rows = [
        {"label": "before training", "kl": 0.0, "modes": {"over_refusal": cell(-0.2)}},
        {"label": "values", "kl": 0.1, "modes": {"over_refusal": cell(0.3, 0.5)}},
    ]
    matrix = {"rows": rows, "offsets": {"values": 0}}
    (training / "forgetting.json").write_text(json.dumps(matrix))
    event = {
        "label": HOSTILE,
        "layer": HOSTILE,
        "attempt": 0,
        "policy": "rollback",
        "action": "back to step 0, the layer ends there",
        "monitor": "re_injury",
        "step": 2,
        "message": "worse than before: over_refusal",
        "values": {},
        "modes": [],
    }
    (training / "conditions.jsonl").write_text(json.dumps(event) + "\n")
    lines = [{"step": n, "loss": 1.0 / n, "learning_rate": 0.1} for n in (1, 2)]
    for name in ("metrics.jsonl", "metrics_undone.jsonl"):
        (training / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_matrix_events_and_settings_are_shown(folder: Path) -> None:
    page = write_report(folder).read_text()
    assert "Layer by layer" in page
    assert "+0.30 (+0.50 [+0.40, +0.60])" in page
    assert "back to step 0, the layer ends there" in page
    assert "protection: kl budget" in page
    assert HOSTILE not in page
    assert write_report(folder).read_text() == page


def test_a_plain_run_has_no_such_sections(folder: Path) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump({"name": "x"}))
    for file in (folder / "40_training").iterdir():
        file.unlink()
    page = write_report(folder).read_text()
    assert "Layer by layer" not in page
    assert "What the training was given" not in page


def test_damaged_files_never_stop_the_report(folder: Path) -> None:
    (folder / "40_training" / "forgetting.json").write_text("{")
    (folder / "40_training" / "conditions.jsonl").write_text('{"monitor"')
    assert "No monitor fired." in write_report(folder).read_text()


def test_rounds_that_change_nothing_are_said_to(folder: Path) -> None:
    found = two_models()
    first, last = found.models
    same = replace(first, name="round-1"), replace(first, name="trained")
    none = replace(found, models=(replace(first, name="base"), *same), baseline="base")
    assert "2 rounds do not improve on one" in rounds_html(none)
    moved = replace(last, name="trained")
    some = replace(found, models=(replace(first, name="base"), same[0], moved), baseline="base")
    assert "do not improve" not in rounds_html(some)
