"""The table behind `anlage lint --explain` and the codes in the source agree."""

from __future__ import annotations

import json
import re
from pathlib import Path

import anlage
import pytest
from anlage.authoring.lint import explain, load_problem_codes
from anlage.cli.app import app
from anlage.errors import ConfigurationError
from typer.testing import CliRunner

ROOT = Path(anlage.__file__).parent


def emitted() -> set[str]:
    files = [
        path
        for path in ROOT.rglob("*.py")
        if not any(
            part.startswith(".") or part in {"tests", "build", "benchmarks"}
            for part in path.relative_to(ROOT).parts
        )
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return set(re.findall(r'"([A-Z]\d{3})"', text))


def test_every_code_in_the_source_is_explained_and_no_other() -> None:
    assert set(load_problem_codes()) == emitted()


def test_every_entry_says_something() -> None:
    for entry in load_problem_codes().values():
        assert min(len(entry.means), len(entry.example), len(entry.fix)) > 3, entry.code
        assert entry.means.endswith((".", ")")), entry.code


def test_explain_prints_text_and_json() -> None:
    done = CliRunner().invoke(app, ["lint", "--explain", "l012"])
    assert done.exit_code == 0
    for word in ("L012: A contested claim", "Example: ", "Fix: "):
        assert word in done.stdout
    done = CliRunner().invoke(app, ["lint", "--explain", "L012", "--format", "json"])
    assert json.loads(done.stdout)["code"] == "L012"


def test_an_unknown_code_names_near_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"codes like it: .*L01"):
        explain("L019")
