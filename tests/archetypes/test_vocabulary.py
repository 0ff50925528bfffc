from __future__ import annotations

from pathlib import Path

import pytest
from anlage.archetypes.lint.objections import lint_archetypes
from anlage.archetypes.loader import load_archetypes
from anlage.archetypes.reference import load_references
from anlage.archetypes.schema import PATH, archetype_json_schema
from anlage.archetypes.vocabulary import load_cues, load_failure_modes
from anlage.errors import ArchetypeError

from tests.helpers.archetype_files import copy_library, edit

MODES = {
    "harmful_compliance", "jailbreak_persona", "over_refusal", "paternalism", "moralising",
    "sycophancy", "hallucination", "deception", "manipulation", "power_seeking", "incorrigibility",
    "blind_obedience", "in_group_bias", "privacy_violation", "fraud_assistance", "dependence",
    "retaliation", "self_misreport",
}  # fmt: skip


def test_failure_modes_are_the_eighteen_with_opposites() -> None:
    modes = load_failure_modes()
    assert set(modes) == MODES
    assert all(mode.opposite in modes and mode.opposite != mode.id for mode in modes.values())


def test_the_opposites_prompts_are_routed_by() -> None:
    modes = load_failure_modes()
    assert modes["harmful_compliance"].opposite == "over_refusal"
    assert modes["over_refusal"].opposite == "harmful_compliance"
    assert modes["sycophancy"].opposite == "paternalism"
    assert modes["hallucination"].opposite == "over_refusal"


def test_faulty_failure_modes_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "modes.yaml"
    path.write_text(
        "a: {meaning: A., opposite: b}\nb: {meaning: B.}\nc: {meaning: C., opposite: c}\n"
    )
    with pytest.raises(ArchetypeError) as caught:
        load_failure_modes(path)
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_cues_have_meanings(tmp_path: Path) -> None:
    assert len(load_cues()) >= 25
    path = tmp_path / "cues.yaml"
    path.write_text("a: Fine.\nb:\n")
    with pytest.raises(ArchetypeError) as caught:
        load_cues(path)
    assert [problem.line for problem in caught.value.problems] == [2]


def test_references_name_unknown_keys_and_status(tmp_path: Path) -> None:
    assert load_references()["uchiyama2019"].role == "critique"
    path = tmp_path / "references.yaml"
    path.write_text(
        'x: {status: Q, cite: "A. (2000). Title."}\ny: {status: V, cites: "B. (2001)."}\n'
    )
    with pytest.raises(ArchetypeError) as caught:
        load_references(path)
    assert {problem.line for problem in caught.value.problems} == {1, 2}
    assert "did you mean `cite`?" in str(caught.value)


OWN = """\
gossip2004: {status: T, cite: "Somebody (2004). On gossip. A journal 8(2), 100-110."}
doubt2006: {status: T, role: critique, contests: [gossip2004], cite: "Another (2006). Against it."}
"""


def test_works_beside_an_archetype_may_be_cited(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    line = edit(library / "explorer.yaml", "ref: kidd2015", "ref: gossip2004")
    (problem,) = [p for p in lint_archetypes(library) if p.code == "A016"]
    assert (problem.file, problem.line) == (str(library / "explorer.yaml"), line)
    assert "add the work to references.yaml beside this file" in problem.fix
    (library / "references.yaml").write_text(OWN, encoding="utf-8")
    (problem,) = lint_archetypes(library / "explorer.yaml")  # one file, and what stands beside it
    assert (problem.code, problem.line) == ("L012", line)
    assert "doubt2006" in problem.fix
    edit(library / "explorer.yaml", "contested_by: [uchiyama2019", "contested_by: [doubt2006")
    assert lint_archetypes(library) == []
    assert len(load_archetypes(library)) == 4  # the list of works is no archetype


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("kidd2015: {status: V, cite: 'Kidd & Hayden (2015). Curiosity.'}\n", 1, "shipped"),
        ("a: {status: V, cite: 'A. (2000). T.'}\nb: {status: V, cites: 'B. (2001)'}\n", 2, "cites"),
        ("a: {status: V, cite: 'A. (2000). T.', contests: [kiddd2015]}\n", 1, "kiddd2015"),
        ("a: [\n", 1, "not closed"),
    ],
)
def test_faults_of_works_beside_an_archetype(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    library = copy_library(tmp_path)
    (library / "references.yaml").write_text(text, encoding="utf-8")
    problems = lint_archetypes(library)
    assert {p.file for p in problems} == {str(library / "references.yaml")}
    assert words in " ".join(str(p) for p in problems)
    assert line in {p.line for p in problems}


def test_the_checked_in_schema_is_current() -> None:
    assert PATH.read_text(encoding="utf-8") == archetype_json_schema()
