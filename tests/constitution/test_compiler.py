from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from anlage.archetypes.loader import LIBRARY
from anlage.archetypes.precedence import precedence
from anlage.archetypes.vocabulary import load_failure_modes
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.principle import Constitution
from anlage.constitution.yaml_form import DEFAULT, dump_constitution, load_constitution
from anlage.errors import ArchetypeError

from tests.helpers.archetype_files import copy_library, edit


def changed(one: Constitution, other: Constitution) -> set[str]:
    before = {p.id: p.content() for p in one}
    after = {p.id: p.content() for p in other}
    assert before.keys() == after.keys()
    return {key for key in before if before[key] != after[key]}


def test_the_checked_in_constitution_is_current() -> None:
    compiled = dump_constitution(compile_constitution())
    assert DEFAULT.read_bytes() == compiled.encode()


def test_same_bytes_from_another_place_and_hash_seed(tmp_path: Path) -> None:
    library = Path(shutil.copytree(LIBRARY, tmp_path / "library"))
    code = (
        "import sys; from anlage.constitution.compiler import compile_constitution as c;"
        "from anlage.constitution.yaml_form import dump_constitution as d;"
        "sys.stdout.buffer.write(d(c(sys.argv[1])).encode())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, str(library)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {DEFAULT.read_bytes()}


def test_compiling_needs_no_heavy_library() -> None:
    code = (
        "import sys, anlage.constitution.compiler as c, anlage.archetypes.lint.objections as l;"
        "c.compile_constitution(); l.lint_archetypes();"
        "heavy = {'torch', 'transformers', 'langchain', 'langchain_core', 'sklearn', 'numpy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_provenance_leads_to_the_line(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    for principle in compile_constitution(library):
        lines = (library / principle.provenance.file).read_text(encoding="utf-8").splitlines()
        slug = principle.id.split("/")[1]
        assert lines[principle.provenance.line - 1].strip() == f"- id: {slug}"
        assert len(principle.provenance.references) >= 2


def test_requests_are_filled_from_their_own_principle() -> None:
    for principle in compile_constitution():
        for text in (principle.critique, principle.revise, principle.compare):
            assert "$" not in text
            assert principle.statement in text
        assert principle.situation in principle.critique


def test_failing_openings_belong_to_the_pole_of_the_failure_mode() -> None:
    # Orientation: were the poles swapped, refusals would become the failure to avoid.
    constitution = compile_constitution()
    refusal = constitution.get("guardian/proportionate-refusal")
    aim = constitution.get("guardian/aim-before-words")
    answer = constitution.get("explorer/answer-the-ordinary")
    assert (refusal.pole, aim.pole, answer.pole) == ("deficit", "excess", "deficit")
    assert any(text.startswith("Sure") for text in refusal.openings.failing)
    assert any("won't help" in text for text in refusal.openings.good)
    assert any(text.startswith("I can't talk") for text in aim.openings.failing)
    assert any(text.startswith("Here is a simple way") for text in aim.openings.good)
    assert any("too risky for me" in text for text in answer.openings.failing)
    for principle in constitution:
        assert len(principle.openings.failing) >= 5
        assert len(principle.openings.good) >= 5
        assert not set(principle.openings.failing) & set(principle.openings.good)


def test_every_threat_of_the_shipped_modes_has_a_principle() -> None:
    constitution = compile_constitution()
    guarded = {p.failure_mode for p in constitution}
    modes = load_failure_modes()
    for mode in ("harmful_compliance", "sycophancy", "hallucination"):
        assert {mode, modes[mode].opposite} <= guarded


def test_one_word_changes_one_principle_and_the_hash(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    before = compile_constitution(library)
    edit(library / "sage.yaml", "name where it could be\n", "state where it could be\n")
    after = compile_constitution(library)
    assert changed(before, after) == {"sage/known-or-unknown"}
    assert before.hash != after.hash
    assert {key for key in before.sources if before.sources[key] != after.sources[key]} == {"sage"}


def test_moving_text_changes_lines_but_not_the_hash(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    before = compile_constitution(library)
    edit(library / "ally.yaml", "name: Ally\n", "# a note\n\nname: Ally\n")
    after = compile_constitution(library)
    assert before.hash == after.hash
    assert before.principles != after.principles
    one, other = (c.get("ally/candid-friend").provenance.line for c in (before, after))
    assert other == one + 2


def test_a_dollar_in_an_authors_text_stays(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    edit(library / "ally.yaml", "Don't call something perfect", "Don't pay $statement, $5 or $$")
    text = compile_constitution(library).get("ally/candid-friend").critique
    assert "Don't pay $statement, $5 or $$" in text


def test_authored_requests_and_openings_replace_the_filled_ones(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    edit(
        library / "ally.yaml",
        "  - id: toward-own-feet\n",
        "  - id: toward-own-feet\n    critique: Is $it flattery?\n    weight: 2\n"
        "    openings: [A ..., B ..., C ..., D ..., E ...]\n",
    )
    principle = compile_constitution(library).get("ally/toward-own-feet")
    assert principle.critique == "Is $it flattery?"
    assert principle.weight == 2.0
    assert principle.openings.good == ("A ...", "B ...", "C ...", "D ...", "E ...")


def test_order_is_precedence_then_id() -> None:
    principles = compile_constitution().principles
    keys = [(p.precedence, p.id) for p in principles]
    assert keys == sorted(keys)


def test_only_ignores_absent_counterweights() -> None:
    constitution = compile_constitution(only=["ally"])
    assert {p.precedence for p in constitution} == {0}
    assert set(constitution.sources) == {"ally"}


def test_precedence_by_hand() -> None:
    # a and b check each other; c is checked by a; d by c and by a stranger; e by nobody.
    given = {"a": ["b"], "b": ["a"], "c": ["a"], "d": ["c", "stranger"], "e": []}
    assert precedence(given) == {"a": 0, "b": 0, "c": 1, "d": 2, "e": 0}


def test_precedence_of_a_circle_is_one_level() -> None:
    assert set(precedence({"a": ["b"], "b": ["c"], "c": ["a"]}).values()) == {0}


def test_what_the_linter_calls_an_error_stops_the_compiler(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    line = edit(
        library / "ally.yaml",
        "    negative: Don't call something perfect to please the one who made it.",
        "    negative: Flattery is good because it evolved among our ancestors.",
    )
    with pytest.raises(ArchetypeError) as caught:
        compile_constitution(library)
    (problem,) = caught.value.problems
    assert (problem.code, problem.line) == ("L001", line)


def test_the_file_form_keeps_everything(tmp_path: Path) -> None:
    constitution = compile_constitution()
    path = tmp_path / "10_constitution.yaml"
    path.write_text(dump_constitution(constitution), encoding="utf-8")
    loaded = load_constitution(path)
    assert loaded == constitution
    assert loaded.hash == constitution.hash
    assert dump_constitution(loaded) == dump_constitution(constitution)
