"""`anlage export` and `anlage import` as a person calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from anlage.archetypes.loader import LIBRARY
from anlage.cli.app import app
from anlage.errors import ConfigurationError
from anlage.files.yaml_file import load_yaml
from anlage.preferences.dataset import Pairs
from typer.testing import CliRunner, Result

from tests.helpers.annotated_pairs import foreign, make_pair
from tests.helpers.foreign_files import BULLETED, BULLETS, LANGCHAIN, RECIPE, TRAITS, write_json

GUARDIAN = str(LIBRARY / "guardian.yaml")


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(done.exception, ConfigurationError):  # `main` turns it into a message
        raise done.exception
    return done


def ids(path: Path) -> list[str]:
    data = load_yaml(path).data
    assert isinstance(data, dict)
    return [principle["id"] for principle in data["principles"]]


@pytest.mark.parametrize("name", ["langchain", "recipe", "traits", "plain"])
def test_an_export_can_be_imported_and_linted(name: str, tmp_path: Path) -> None:
    out = tmp_path / "rules.json"
    done = run("export", name, "--path", GUARDIAN, "--out", out)
    assert done.exit_code == 0, done.output
    assert "not kept: openings" in " ".join(done.stderr.split())
    done = run("import", out, "--out", tmp_path / "drafts")
    draft = tmp_path / "drafts" / "rules.yaml"
    assert f"{draft}: 5 principles read as {name}; a draft." in done.stderr
    assert len(ids(draft)) == 5
    assert run("lint", draft).exit_code == 2


def test_an_export_without_a_file_prints_the_text_alone() -> None:
    done = run("export", "langchain", "--path", GUARDIAN)
    rows = json.loads(done.stdout)
    assert {row["name"] for row in rows} >= {"guardian/aim-before-words"}
    assert "not kept: " in done.stderr


@pytest.mark.parametrize(
    ("content", "count"), [(LANGCHAIN, 2), (RECIPE, 2), (TRAITS, 2), (BULLETED, 4)]
)
def test_a_format_is_told_by_its_keys(content: object, count: int, tmp_path: Path) -> None:
    source = write_json(tmp_path / "house rules.json", content)
    done = run("import", source, "--out", tmp_path)
    assert f"{count} principles" in done.stderr
    assert len(ids(tmp_path / "house_rules.yaml")) == count


def test_a_format_can_be_named(tmp_path: Path) -> None:
    source = tmp_path / "rules.txt"
    source.write_text(BULLETS, encoding="utf-8")
    done = run("import", source, "--format", "plain", "--out", tmp_path / "mine.yaml")
    assert "not kept: 3 lines that are headings or remarks" in done.stderr
    data = load_yaml(tmp_path / "mine.yaml").data
    assert isinstance(data, dict)
    assert data["id"] == "mine"
    with pytest.raises(ConfigurationError, match="not valid JSON"):
        run("import", source, "--format", "traits", "--out", tmp_path / "yours.yaml")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    source = write_json(tmp_path / "rules.json", LANGCHAIN)
    run("import", source, "--out", tmp_path)
    for arguments in (
        ("import", source, "--out", tmp_path),
        ("export", "plain", "--path", GUARDIAN, "--out", source),
    ):
        with pytest.raises(ConfigurationError, match="exists already"):
            run(*arguments)
    assert json.loads(source.read_text(encoding="utf-8")) == LANGCHAIN


def test_a_draft_does_not_take_the_name_of_a_shipped_archetype(tmp_path: Path) -> None:
    source = write_json(tmp_path / "guardian.json", LANGCHAIN)
    run("import", source, "--out", tmp_path)
    data = load_yaml(tmp_path / "guardian_imported.yaml").data
    assert isinstance(data, dict)
    assert data["id"] == "guardian_imported"


def test_a_draft_is_yaml(tmp_path: Path) -> None:
    source = write_json(tmp_path / "rules.json", LANGCHAIN)
    with pytest.raises(ConfigurationError, match=r"YAML, not \.jsonl"):
        run("import", source, "--out", tmp_path / "rules.jsonl")
    assert not (tmp_path / "rules.jsonl").exists()


def test_pairs_go_out_and_come_back(tmp_path: Path) -> None:
    pairs = Pairs(make_pair(number) for number in range(3))
    pairs.save(tmp_path / "30_pairs.jsonl")
    out = tmp_path / "annotated.json"
    arguments = ("--path", GUARDIAN, "--pairs", tmp_path / "30_pairs.jsonl", "--out", out)
    done = run("export", "icai", *arguments)
    assert "not kept: who voted" in done.stderr
    run("import", out, "--out", tmp_path / "back.jsonl")
    assert Pairs.load(tmp_path / "back.jsonl") == pairs
    done = run("import", out, "--out", tmp_path)
    assert ids(tmp_path / "annotated.yaml") == ["aim-before-words"]
    assert "not kept: 3 comparisons" in done.stderr


def test_annotated_pairs_need_pairs() -> None:
    with pytest.raises(ConfigurationError, match="I003"):
        run("export", "icai", "--path", GUARDIAN)


def test_foreign_annotated_pairs_give_pairs_or_principles(tmp_path: Path) -> None:
    source = write_json(tmp_path / "tea.json", foreign())
    assert "1 pairs" in run("import", source, "--out", tmp_path / "tea.jsonl").stderr
    assert "1 principles read as icai" in run("import", source, "--out", tmp_path).stderr
    assert ids(tmp_path / "tea.yaml") == ["select-the-shorter-answer"]


def test_neither_command_loads_torch_or_langchain(tmp_path: Path) -> None:
    source = write_json(tmp_path / "rules.json", LANGCHAIN)
    code = f"""
import sys
from anlage.cli.app import app
for arguments in (
    ["import", {str(source)!r}, "--out", {str(tmp_path / "a")!r}],
    ["export", "recipe", "--path", {GUARDIAN!r}, "--out", {str(tmp_path / "b.json")!r}],
):
    try:
        app(arguments)
    except SystemExit as end:
        assert not end.code, arguments
print([m for m in ("torch", "transformers", "langchain", "datasets") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
