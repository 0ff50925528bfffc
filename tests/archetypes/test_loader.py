from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from anlage.archetypes.loader import LIBRARY, load_archetypes
from anlage.errors import ArchetypeError, Problem

from tests.helpers.archetype_files import copy_library, edit


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return copy_library(tmp_path)


def problems_of(path: Path) -> list[Problem]:
    with pytest.raises(ArchetypeError) as caught:
        load_archetypes(path)
    return list(caught.value.problems)


def the_problem(path: Path) -> Problem:
    problems = problems_of(path)
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


def test_the_shipped_library_loads_in_order_of_id() -> None:
    archetypes = load_archetypes()
    assert [a.id for a in archetypes] == sorted(a.id for a in archetypes)
    assert {"guardian", "explorer", "sage", "ally"} <= {a.id for a in archetypes}


def test_principle_lines_point_at_their_ids() -> None:
    for archetype in load_archetypes():
        lines = archetype.source.path.read_text(encoding="utf-8").splitlines()
        for principle in archetype.principles:
            line = lines[archetype.source.principle_lines[principle.id] - 1]
            assert line.strip() == f"- id: {principle.id}"


def test_only_selects_and_suggests(library: Path) -> None:
    assert [a.id for a in load_archetypes(library, only=["sage"])] == ["sage"]
    with pytest.raises(ArchetypeError, match=r"did you mean `guardian`\?"):
        load_archetypes(library, only=["guardien"])
    with pytest.raises(ArchetypeError, match="name one"):
        load_archetypes(library, only=[])


def test_one_file_may_name_shipped_counterweights(library: Path, tmp_path: Path) -> None:
    file = shutil.copy(library / "guardian.yaml", tmp_path / "mine.yaml")
    assert [a.id for a in load_archetypes(file)] == ["guardian"]


def test_unknown_key_has_a_suggestion(library: Path) -> None:
    line = edit(library / "sage.yaml", "evidence_level: strong", "evidence_levle: strong")
    first = the_problem(library)  # that `evidence_level` is missing follows from it
    assert (first.code, first.line) == ("A001", line)
    assert first.fix == "did you mean `evidence_level`?"
    assert first.file == str(library / "sage.yaml")


def test_unknown_nested_key_is_found_among_its_own_neighbours(library: Path) -> None:
    line = edit(
        library / "guardian.yaml",
        "  - id: aim-before-words\n",
        "  - id: aim-before-words\n    waight: 2\n",
    )
    problem = the_problem(library)
    assert (problem.line, problem.fix) == (line + 1, "did you mean `weight`?")


def test_missing_pole(library: Path) -> None:
    file = library / "explorer.yaml"
    text = file.read_text(encoding="utf-8")
    start = text.index("  excess:\n    - Rushes")
    end = text.index("  deficit:\n    - Turns back")
    file.write_text(text[:start] + text[end:], encoding="utf-8")
    problem = the_problem(library)
    assert problem.line == text[: text.index("shadow:")].count("\n") + 1
    assert "shadow.excess" in problem.message
    assert "both poles" in problem.fix


def test_duplicate_archetype_id(library: Path) -> None:
    shutil.copy(library / "sage.yaml", library / "sage_two.yaml")
    problem = the_problem(library)
    assert problem.file == str(library / "sage_two.yaml")
    assert (problem.code, problem.line) == ("A014", 2)
    assert "sage.yaml" in problem.message


def test_duplicate_principle_id(library: Path) -> None:
    line = edit(library / "ally.yaml", "id: steady-under-pushback", "id: candid-friend")
    problem = the_problem(library)
    assert (problem.code, problem.line) == ("A014", line)


@pytest.mark.parametrize(
    ("name", "old", "new", "code", "fix"),
    [
        ("guardian", "ref: neuberg2011", "ref: neuberg2012", "A016", "neuberg2011"),
        ("guardian", "supports: ai_failure_modes", "supports: ai_failure", "A016", "ai_failure_m"),
        ("sage", "contested_by: [uchiyama2019]", "contested_by: [uchi2019]", "A016", "uchi"),
        ("ally", "counterweights: [sage,", "counterweights: [sagge,", "A018", "sage"),
        ("ally", "counterweights: [sage,", "counterweights: [ally,", "A018", "another"),
        ("explorer", "  - own_property\n", "  - own_propperty\n", "A013", "own_property"),
        ("guardian", "cues: [fictional_frame]", "cues: [fiction]", "A013", "fictional_frame"),
        ("guardian", "predicts: over_refusal", "predicts: over_refusing", "A010", "over_refusal"),
        ("sage", "system: epistemic_vigilance", "system: epistemic", "A005", "epistemic_v"),
        ("sage", "name: Sage", "name: no", "A003", 'put it in quotes: "no"'),
        ("sage", "name: Sage", "name:", "A003", "write its text"),
        ("sage", "version: 1", "version: one", "A006", "number 1"),
        ("ally", "Nobody could do this better than you.", "Nobody ...", "A015", "remove"),
        ("ally", "      - Good, then let us do it. ...", "      - Good.", "A015", "end it"),
    ],
)  # fmt: skip
def test_each_fault_at_its_line(
    library: Path, name: str, old: str, new: str, code: str, fix: str
) -> None:
    line = edit(library / f"{name}.yaml", old, new)
    found = [p for p in problems_of(library) if p.code == code]
    assert found[0].line == line
    assert fix in found[0].fix


def test_fewer_than_two_references(library: Path) -> None:
    file = library / "explorer.yaml"
    line = edit(file, "  - {ref: pellegrini2007, supports: ancestral_function, kind: theory}\n", "")
    edit(file, "  - {ref: rottger2024, supports: ai_failure_modes, kind: benchmark}\n", "")
    problem = the_problem(library)
    assert (problem.code, problem.line) == ("A017", line - 2)
    assert "1 resolving" in problem.message


def test_a_mode_without_principle_or_evaluation(library: Path) -> None:
    line = edit(
        library / "guardian.yaml",
        "  - {mode: over_refusal, pole: excess}\n",
        "  - {mode: over_refusal, pole: excess}\n  - {mode: moralising, pole: excess}\n",
    )
    messages = [p.message for p in problems_of(library) if p.line == line + 1]
    assert messages == [
        "no principle guards against `moralising`",
        "no evaluation measures `moralising`",
    ]


def test_several_errors_in_several_files_at_once(library: Path) -> None:
    edit(library / "ally.yaml", "name: Ally", "naem: Ally")
    edit(library / "guardian.yaml", "ref: nesse2005", "ref: nesse2006")
    edit(library / "sage.yaml", "adaptive_problem: >-", "adaptive_problem: &a >-")
    (library / "explorer.yaml").write_bytes(b"id: explorer\nname: \xff\n")
    problems = problems_of(library)
    assert {(Path(p.file).stem, p.code) for p in problems} == {
        ("ally", "A001"),
        ("guardian", "A016"),
        ("sage", "Y006"),
        ("explorer", "Y003"),
    }
    assert [p.file for p in problems] == sorted(p.file for p in problems)


@pytest.mark.parametrize("content", ["", "- a\n", "text\n", "1\n", "{}\n"])
def test_files_that_are_no_archetype(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.yaml").write_text(content, encoding="utf-8")
    assert all(problem.fix for problem in problems_of(tmp_path))


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    assert the_problem(tmp_path).code == "A000"
    assert the_problem(tmp_path / "nowhere").code == "A000"


def test_a_folder_named_like_a_file(library: Path) -> None:
    (library / "odd.yaml").mkdir()
    assert the_problem(library).code == "Y001"


def test_openings_may_differ_by_mode() -> None:
    sage = next(a for a in load_archetypes() if a.id == "sage")
    hallucination = set(sage.openings.failing("hallucination", "deficit"))
    sycophancy = set(sage.openings.failing("sycophancy", "deficit"))
    assert hallucination
    assert sycophancy
    assert not hallucination & sycophancy
    assert set(sage.openings.failing("paternalism", "excess")) == set(sage.openings.excess["any"])


def test_library_is_the_packaged_folder() -> None:
    assert LIBRARY.name == "library"
    assert LIBRARY.is_dir()
