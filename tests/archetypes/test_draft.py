"""A new archetype file: annotated, never written over another, and the linter leads through it."""

from __future__ import annotations

from pathlib import Path

import pytest
from anlage.archetypes.draft import archetype_id, new_archetype
from anlage.archetypes.lint.objections import lint_archetypes
from anlage.errors import ConfigurationError
from anlage.files.yaml_file import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st


def test_every_open_line_is_named_with_what_belongs_there(tmp_path: Path) -> None:
    path = new_archetype("Scout", tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    problems = lint_archetypes(path)
    found = {problem.line for problem in problems if problem.severity == "error"}
    open_lines = {
        number
        for number, line in enumerate(lines, 1)
        if "TODO" in line and not line.lstrip().startswith("#")
    }
    # `statement: >-` begins on the line above its text.
    assert all(number in found or number - 1 in found for number in open_lines)
    by_line = {problem.line: problem for problem in problems}
    problem = by_line[next(n for n, line in enumerate(lines, 1) if line.startswith("adaptive_pro"))]
    assert problem.code == "A023"
    assert problem.fix.startswith("write the problem people had to solve again and again")


def test_filling_a_line_in_silences_it_and_no_other(tmp_path: Path) -> None:
    path = new_archetype("Scout", tmp_path)
    before = lint_archetypes(path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("motive_system: TODO", "motive_system: exploration"), "utf-8")
    after = lint_archetypes(path)
    assert {p.message for p in before} - {p.message for p in after} == {"`motive_system` is 'TODO'"}
    assert not {p.message for p in after} - {p.message for p in before}


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    path = new_archetype("Scout", tmp_path)
    path.write_text("mine", "utf-8")
    with pytest.raises(ConfigurationError, match="exists already"):
        new_archetype("Scout", tmp_path)
    assert path.read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", ["", "123", "!!!", "x" * 80])
def test_a_name_that_gives_no_id_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no id can be made"):
        new_archetype(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_shipped_archetype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="anlage show guardian"):
        new_archetype("Guardian", tmp_path)


@pytest.mark.parametrize("name", ["No", "yes", "Null", "Bridge-Keeper", "d'Artagnan: the 4th #1"])
def test_names_that_yaml_would_read_otherwise_stay_text(name: str, tmp_path: Path) -> None:
    data = load_yaml(new_archetype(name, tmp_path)).data
    assert isinstance(data, dict)
    assert data["id"] == archetype_id(name)
    assert isinstance(data["name"], str)
    assert data["name"]


@settings(max_examples=60, deadline=None)
@given(name=st.text(max_size=30))
def test_any_name_gives_a_readable_file_or_a_clear_refusal(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        path = new_archetype(name, folder)
    except ConfigurationError:
        assert not list(folder.iterdir())
        return
    assert path.parent == folder
    data = load_yaml(path).data
    assert isinstance(data, dict)
    assert data["id"] == archetype_id(name)
