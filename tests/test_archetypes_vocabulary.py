from __future__ import annotations

from pathlib import Path

import pytest
from anlage.archetypes.cue import load_cues
from anlage.archetypes.failure_mode import load_failure_modes
from anlage.archetypes.json_schema import PATH, archetype_json_schema
from anlage.archetypes.reference import load_references
from anlage.errors import ArchetypeError

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


def test_the_checked_in_schema_is_current() -> None:
    assert PATH.read_text(encoding="utf-8") == archetype_json_schema()
