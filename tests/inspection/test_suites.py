"""A run stays whole when suites are measured on its models afterwards."""

from __future__ import annotations

import json
import re
from pathlib import Path

from anlage.cli.app import app
from anlage.inspection.run_state import run_state
from anlage.pipeline.run import run
from typer.testing import CliRunner

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model


def test_suites_measured_afterwards_leave_a_finished_run(tmp_path: Path) -> None:
    config = tiny_run_config(tmp_path, make_tiny_model(tmp_path / "model"))
    done = run(config)
    former = done.report.read_text()
    store = str(tmp_path / "cache.sqlite")
    words = ["evaluate", str(done.path), "--suites", "neutral:2", "--max-tokens", "8"]
    asked = CliRunner().invoke(app, [*words, "--store", store], env={"COLUMNS": "200"})
    assert asked.exit_code == 0, asked.output
    assert done.report.read_text() != former

    assert run_state(done.path).state == "finished"
    shown = CliRunner().invoke(app, ["runs", "show", str(done.path)], env={"COLUMNS": "200"})
    assert "corrupt" not in shown.output
    again = run(config)  # the report is up to date, the suites in it
    assert "report" in again.skipped
    assert again.calls == 0

    # Suites that were changed by hand are read again, and a changed report is still noticed.
    file = done.path / "51_suites.json"
    file.write_text(re.sub(r"\s*$", "\n\n", file.read_text()))
    json.loads(file.read_text())
    assert "report" not in run(config).skipped
    done.report.write_text("mine")
    assert run_state(done.path).state == "corrupt"
