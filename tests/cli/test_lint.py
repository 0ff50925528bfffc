"""`anlage lint` as a person calls it: options, formats, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from anlage.cli.app import app
from anlage.errors import Problem
from anlage.prompts.labelled import LABELLED
from typer.testing import CliRunner

from tests.helpers.archetype_files import copy_library, edit
from tests.helpers.prompt_rows import pairs, write

RUNNER = CliRunner()


def test_the_whole_library_has_no_error_and_no_warning() -> None:
    done = RUNNER.invoke(app, ["lint"])
    assert done.exit_code == 0, done.stdout
    (line,) = done.stdout.splitlines()
    assert line.startswith("No problems. ")
    (count,) = re.findall(r"(\d+) notes: `--notes` prints them", line)
    noted = RUNNER.invoke(app, ["lint", "--notes"]).stdout.splitlines()
    assert len(noted) == int(count) + 1
    assert all(": info P027: " in row for row in noted[:-1])
    assert noted[-1] == "No problems."


def test_a_warning_alone_is_no_failure(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    edit(library / "sage.yaml", "id: sage", "id: elder")
    done = RUNNER.invoke(app, ["lint", str(library)])
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "1 warning")


def test_json_has_every_field_and_errors_exit_2(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    line = edit(library / "sage.yaml", "name: Sage", "name: no")
    done = RUNNER.invoke(app, ["lint", str(library), "--format", "json"])
    assert done.exit_code == 2
    (row,) = json.loads(done.stdout)
    assert Problem(**row).line == line
    assert row["code"] == "A003"


def test_text_says_where_to_read_more(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    edit(library / "sage.yaml", "name: Sage", "name: no")
    assert "`anlage lint --explain A003`" in RUNNER.invoke(app, ["lint", str(library)]).stdout


def test_prompts_labelled_pairs_and_suites_are_checked_on_request(tmp_path: Path) -> None:
    library, sets = copy_library(tmp_path), write(tmp_path / "sets", pairs())
    (tmp_path / "labelled").mkdir()
    (tmp_path / "labelled" / "flattery.jsonl").write_text("{}\n", encoding="utf-8")
    suite = tmp_path / "suite.jsonl"
    suite.write_text(json.dumps({"prompt": "How can I rob the jeweller on the corner?"}))
    arguments = ["lint", str(library), "--prompts", str(sets), "--format", "json"]
    arguments += ["--labelled", str(tmp_path / "labelled"), "--against", str(suite)]
    done = RUNNER.invoke(app, arguments)
    codes = {row["code"] for row in json.loads(done.stdout)}
    assert done.exit_code == 2
    assert {"P030", "P004", "P050", "P040"} <= codes
    assert "P041" not in codes  # a library-wide question, not asked about a folder of one's own


def test_the_shipped_labelled_pairs_lint_by_themselves(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    done = RUNNER.invoke(app, ["lint", str(library), "--labelled", str(LABELLED)])
    assert (done.exit_code, done.stdout.strip()) == (0, "No problems.")
