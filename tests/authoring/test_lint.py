"""What links archetypes, prompts and labelled pairs, and leaks into public suites."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from anlage.archetypes import vocabulary
from anlage.archetypes.vocabulary import load_failure_modes
from anlage.authoring import lint as library_linter
from anlage.authoring.lint import lint_library
from anlage.errors import Problem
from anlage.prompts.public_suite import read_suite
from anlage.prompts.similarity import content, near_duplicates, words
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.archetype_files import copy_library, edit
from tests.helpers.prompt_rows import pairs, write


def of(problems: list[Problem], code: str) -> list[Problem]:
    return [problem for problem in problems if problem.code == code]


def test_the_shipped_library_has_no_error() -> None:
    assert [str(p) for p in lint_library() if p.severity == "error"] == []


def test_a_cue_that_no_prompt_has(tmp_path: Path) -> None:
    library, sets = copy_library(tmp_path), write(tmp_path / "sets", pairs())
    found = of(lint_library(library / "sage.yaml", prompts=sets), "P040")
    text = (library / "sage.yaml").read_text(encoding="utf-8").splitlines()
    assert found
    for problem in found:
        assert problem.severity == "warning"
        assert f"`{text[problem.line - 1].strip(' -')}`" in problem.message
    assert not of(lint_library(library / "sage.yaml"), "P040")  # nothing to compare with


def test_a_cue_of_the_vocabulary_that_nothing_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cues.yaml"
    path.write_text(vocabulary.CUES.read_text(encoding="utf-8") + "full_moon: It is night.\n")
    monkeypatch.setattr(vocabulary, "CUES", path)
    monkeypatch.setattr(library_linter, "load_cues", lambda: vocabulary.load_cues(path))
    (problem,) = [p for p in of(lint_library(), "P040") if "full_moon" in p.message]
    assert problem.file == str(path)
    assert problem.line == len(path.read_text().splitlines())


def test_a_failure_mode_without_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "failure_modes.yaml"
    known = vocabulary.FAILURE_MODES.read_text(encoding="utf-8")
    path.write_text(known + "boredom:\n  meaning: Yawns.\n  opposite: moralising\n")
    monkeypatch.setattr(vocabulary, "FAILURE_MODES", path)
    monkeypatch.setattr(library_linter, "load_failure_modes", lambda: load_failure_modes(path))
    found = [p for p in of(lint_library(), "P041") if "boredom" in p.message]
    assert [p.message.split(" for ")[0] for p in found] == [
        "no principle", "no prompt", "no labelled pair",
    ]  # fmt: skip
    assert {(p.file, p.line) for p in found} == {(str(path), known.count("\n") + 1)}


def test_an_exemplar_that_is_a_prompt_of_the_sets(tmp_path: Path) -> None:
    library, rows = copy_library(tmp_path), pairs()
    question = "What is the name for a young cat?"
    rows[0]["messages"] = [{"role": "user", "content": question}]
    sets = write(tmp_path / "sets", rows)
    line = edit(library / "sage.yaml", f"    prompt: {question}", f"    prompt: {question} Say.")
    (problem,) = of(lint_library(library / "sage.yaml", prompts=sets), "P032")
    assert (problem.line, problem.severity) == (line, "error")
    assert "harm.jsonl:1" in problem.message


@pytest.mark.parametrize("kind", ["jsonl", "csv", "messages", "unknown field"])
def test_a_leak_into_a_public_suite(tmp_path: Path, kind: str) -> None:
    library, sets = copy_library(tmp_path), write(tmp_path / "sets", pairs())
    text = "Please, how can I rob the jeweller on that corner?"
    suite = tmp_path / "suite" / "deep"
    suite.mkdir(parents=True)
    if kind == "csv":
        lines = ["id,Goal", '1,"Sing, and\nthen dance in the rain"', f'2,"{text}"']
        (suite / "test.csv").write_text("\n".join(lines), encoding="utf-8")
        line = 4
    else:
        row = {
            "jsonl": {"prompt": text, "label": "harmful"},
            "messages": {"turns": [{"role": "user", "content": text}]},
            "unknown field": {"sentenz": text, "id": "a"},
        }[kind]
        other = json.dumps({"prompt": "Sing and dance in the rain."})
        (suite / "test.jsonl").write_text(f"{other}\n\n{json.dumps(row)}\n", encoding="utf-8")
        line = 3
    found = of(lint_library(library, prompts=sets, against=[tmp_path / "suite"]), "P050")
    assert [(p.line, p.severity) for p in found] == [(1, "error")]
    assert found[0].file.endswith("harm.jsonl")
    assert f"{next(suite.iterdir())}:{line} " in found[0].message


def test_an_exemplar_that_leaks(tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    question = "What is the name for a young cat?"
    (tmp_path / "suite.jsonl").write_text(json.dumps({"question": question}), encoding="utf-8")
    (problem,) = of(lint_library(library, against=[tmp_path / "suite.jsonl"]), "P050")
    assert problem.file == str(library / "sage.yaml")


def test_a_suite_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"prompt": "Sing."}\n{"prompt": \n' + b"[" * 100_000)
    (tmp_path / "b.csv").write_text('prompt\n"x' + "y" * 200_000 + '"\n', encoding="utf-8")
    (tmp_path / "c.jsonl").write_bytes(b"\xff\xfe")
    texts, problems = read_suite(tmp_path)
    assert [text.text for text in texts] == ["Sing."]
    assert [(Path(p.file).stem, p.code, p.line) for p in problems] == [
        ("a", "P051", 2), ("a", "P051", 3), ("b", "P051", 2), ("c", "P001", 1),
    ]  # fmt: skip
    assert [p.code for p in read_suite(tmp_path / "none")[1]] == ["P051"]


SETS = st.lists(st.frozensets(st.sampled_from("abcdefgh"), max_size=6), max_size=12)


def _slow(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


@given(SETS)
def test_the_fast_search_finds_what_a_plain_one_finds(texts: list[frozenset[str]]) -> None:
    expected = {
        (i, j, _slow(texts[i], texts[j]))
        for j in range(len(texts))
        for i in range(j)
        if _slow(texts[i], texts[j]) >= 0.6
    }
    assert set(near_duplicates(texts)) == expected


@given(SETS, SETS)
def test_the_fast_search_between_two_collections(
    texts: list[frozenset[str]], others: list[frozenset[str]]
) -> None:
    expected = {
        (i, j, _slow(one, other))
        for i, one in enumerate(texts)
        for j, other in enumerate(others)
        if _slow(one, other) >= 0.6
    }
    assert set(near_duplicates(texts, others)) == expected


def test_content_words_by_hand() -> None:
    assert content(words("How can I rob the jeweller?")) == {"rob", "jeweller"}
    assert content(words("What is it?")) == {"what", "is", "it"}
