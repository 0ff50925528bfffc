"""The author's commands as they are typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from anlage.archetypes.loader import LIBRARY, load_archetypes
from anlage.authoring.coverage import coverage
from anlage.cli.app import app
from anlage.constitution.compiler import compile_constitution
from anlage.errors import ConfigurationError
from typer.testing import CliRunner, Result

from tests.helpers.archetype_files import copy_library, edit

ROOT = Path(__file__).resolve().parents[2]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(word) for word in arguments])


def test_show_gives_an_archetype_with_its_evidence_in_full() -> None:
    shown = invoke("show", "guardian")
    assert shown.exit_code == 0
    archetype = load_archetypes(only=["guardian"])[0]
    for words in (*archetype.shadow.excess, *archetype.shadow.deficit, archetype.evidence_level):
        assert words in shown.stdout
    assert "doi.org" in shown.stdout
    for principle in archetype.principles:
        assert f"guardian/{principle.id}  " in shown.stdout


def test_show_gives_a_principle_with_everything_a_model_is_shown() -> None:
    principle = next(p for p in compile_constitution(LIBRARY) if p.archetype == "sage")
    shown = invoke("show", principle.id)
    assert shown.exit_code == 0
    squeezed = "".join(shown.stdout.split())
    for text in (principle.critique, principle.revise, principle.compare, principle.negative):
        assert "".join(text.split()) in squeezed
    assert f"{principle.provenance.file}:{principle.provenance.line}" in shown.stdout


@pytest.mark.parametrize("name", ["cues", "failure_modes", "references"])
def test_show_lists_the_vocabularies(name: str) -> None:
    shown = invoke("show", name)
    words = {"cues": "names_harm", "failure_modes": "Opposite: ", "references": "doi.org"}
    assert words[name] in shown.stdout


@pytest.mark.parametrize(("name", "near"), [("gardian", "guardian"), ("sage/x", "sage/")])
def test_show_of_an_unknown_name_suggests_one(name: str, near: str) -> None:
    found = invoke("show", name).exception
    assert isinstance(found, ConfigurationError)
    assert near in str(found)


def test_diff_prints_line_old_and_new(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    edit(library / "guardian.yaml", "practical protective steps", "simple protective steps")
    shown = invoke("diff", LIBRARY, library)
    assert shown.exit_code == 0
    assert "~ guardian/" in shown.stdout
    assert "statement  " in shown.stdout
    assert "1 changed" in shown.stdout
    assert "- Give the practical protective" in shown.stdout
    assert "+ Give the simple protective" in shown.stdout
    assert "compile to the same principles" in invoke("diff", library, library).stdout


def test_the_library_guards_prompts_and_probes_every_failure_mode() -> None:
    found = coverage()
    assert not found.gaps
    assert all(mode.labelled >= 30 for mode in found.modes)
    assert all(mode.checked["test"] >= 40 for mode in found.modes)
    measured = [mode for mode in found.modes if mode.precision and mode.recall]
    assert len(measured) >= 14
    assert all(0 < rate.value <= 1 for m in measured for rate in (m.precision, m.recall) if rate)
    assert all(found.domains.values())
    assert len(found.archetypes) == 16


def test_coverage_counts_what_a_folder_lacks(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    found = coverage(library)
    assert "no principle guards against it" in found.gaps["retaliation"]
    assert "harmful_compliance" not in found.gaps
    shown = invoke("coverage", "--path", library)
    assert shown.exit_code == 1
    assert "retaliation: no principle guards against it" in shown.stdout
    assert "20/24/40" in shown.stdout
    empty = tmp_path / "labelled"
    empty.mkdir()
    for path in (ROOT / "prompts" / "labelled").glob("*.jsonl"):
        rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (empty / path.name).write_text("".join(rows[:5]), encoding="utf-8")
    assert "5 labelled pairs, 30 are wanted" in coverage(labelled=empty).gaps["sycophancy"]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_coverage_draws_a_picture(suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"coverage.{suffix}"
    assert invoke("coverage", "--out", out).exit_code == 0
    assert out.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")
    if suffix == "svg":  # matplotlib leaves each label as a comment beside its outline
        text = out.read_text(encoding="utf-8")
        counted = coverage()
        for name in (*counted.archetypes, *counted.domains, *counted.motives):
            assert f"<!-- {name} -->" in text
        assert text.count("<!-- reciprocity -->") == 2  # a domain and a motive
    assert isinstance(
        invoke("coverage", "--out", tmp_path / "coverage.doc").exception, ConfigurationError
    )


def test_text_of_an_author_is_never_read_as_markup(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    text = (library / "guardian.yaml").read_text(encoding="utf-8")
    situation = next(row for row in text.splitlines() if "situation: " in row)
    edit(library / "guardian.yaml", situation, f"{situation.split(':')[0]}: someone writes [/b] x")
    for command in ("compile", "show"):
        shown = invoke(command, library / "guardian.yaml")
        assert shown.exit_code == 0, shown.exception
        assert "[/b]" in shown.stdout


def test_the_test_split_cannot_be_measured_again() -> None:
    found = invoke("evaluate", "x.yaml", "--split", "test", "--again").exception
    assert isinstance(found, ConfigurationError)
    assert "X006" in str(found)


def test_ctrl_c_says_that_nothing_is_lost() -> None:
    script = (
        "import sys, anlage.cli.app as c\n"
        "def stop(*a, **k): raise KeyboardInterrupt\n"
        "c.compile_constitution = stop\n"
        "sys.argv = ['anlage', 'compile']\n"
        "c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert "Nothing is lost" in done.stderr


def test_a_folder_that_cannot_be_written_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "anlage.cli", "compile", "--out", "/proc/nowhere/x.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "cannot write /proc/nowhere/x.yaml" in done.stderr
    assert "Traceback" not in done.stderr
