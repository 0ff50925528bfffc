"""An imported constitution becomes a draft that says what is missing and invents nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from anlage.archetypes.lint.objections import lint_archetypes
from anlage.archetypes.loader import LIBRARY
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.interchange.draft import draft_archetype, draft_id
from anlage.constitution.interchange.formats import detect, export, get_format
from anlage.constitution.interchange.json_text import read_source
from anlage.constitution.interchange.rule import Imported, Rule
from anlage.files.yaml_file import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

PUBLIC_DATA = os.environ.get("ANLAGE_PUBLIC_DATA", "")
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


def principles(path: Path) -> list[dict[str, Any]]:
    data = load_yaml(path).data
    assert isinstance(data, dict)
    return list(data["principles"])


def draft(folder: Path, rules: list[Rule], name: str = "oak", *lost: str) -> Path:
    target = folder / "oak.yaml"
    imported = Imported(tuple(rules), lost)
    text = draft_archetype(imported, name=name, source="oak.json", target=target)
    target.write_text(text, encoding="utf-8")
    return target


@given(st.lists(st.tuples(words, words, words, words), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_words_stand_in_the_draft_as_they_were(found: list[tuple[str, str, str, str]]) -> None:
    rules = [
        Rule(text=text, critique=critique, revise=revise, questions=(question,), remark=question)
        for text, critique, revise, question in found
    ]
    written = draft_archetype(
        Imported(tuple(rules)), name="oak", source="oak.json", target=Path("oak.yaml")
    )
    read = yaml.safe_load(written)["principles"]
    assert [(r["statement"], r["critique"], r["revise"]) for r in read] == [
        (rule.text, rule.critique, rule.revise) for rule in rules
    ]
    assert len({r["id"] for r in read}) == len(rules)


def test_signs_beyond_the_basic_plane_and_control_signs_survive(tmp_path: Path) -> None:
    text = 'say "\U0001f914" once\n\ttwice\x85\x00\u2028end \\U'
    assert principles(draft(tmp_path, [Rule(text=text)]))[0]["statement"] == text


def test_every_missing_part_is_named_with_its_line(tmp_path: Path) -> None:
    path = draft(tmp_path, [Rule(text="Name the source of every number you give.")])
    problems = lint_archetypes(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    todo = {n for n, line in enumerate(lines, start=1) if "TODO" in line and "#" not in line}
    assert todo <= {problem.line for problem in problems}
    assert {problem.severity for problem in problems} == {"error"}
    statement = next(n for n, line in enumerate(lines, start=1) if "Name the source" in line)
    assert statement not in {problem.line for problem in problems}


def test_nothing_is_made_up_for_what_a_format_does_not_say(tmp_path: Path) -> None:
    (only,) = principles(draft(tmp_path, [Rule(critique="Find the guess.", revise="Drop it.")]))
    assert (only["critique"], only["revise"]) == ("Find the guess.", "Drop it.")
    for key in ("failure_mode", "situation", "statement", "negative"):
        assert only[key].startswith("TODO"), key


def test_questions_remarks_and_losses_become_comments(tmp_path: Path) -> None:
    rule = Rule(text="Ask once.", questions=("Is it\nred?",), remark="Not twice.")
    path = draft(tmp_path, [rule], "oak", "keys that\nmean nothing here: x")
    comments = [
        line.strip() for line in path.read_text(encoding="utf-8").splitlines() if "# " in line
    ]
    for comment in (
        "# Not twice.",
        "#   Is it red?",
        "# Not kept: keys that mean nothing here: x.",
    ):
        assert comment in comments


@pytest.mark.parametrize(
    ("names", "slugs"),
    [
        (["house/No Guessing", "No guessing!", "no-guessing"], 3 * ["no-guessing"]),
        (["42 is it", "", "\u00e9t\u00e9"], ["is-it", "be-brief-and", "t"]),
    ],
)
def test_slugs_come_from_names_and_differ(
    names: list[str], slugs: list[str], tmp_path: Path
) -> None:
    rules = [Rule(name=name, text=f"Be brief and {place}.") for place, name in enumerate(names)]
    found = [p["id"] for p in principles(draft(tmp_path, rules))]
    assert len(set(found)) == len(found)
    assert all(got.startswith(wanted) for got, wanted in zip(found, slugs, strict=True))


@pytest.mark.parametrize("name", ["no", "1234", "2024-01-03", "...", "null", "a: b", "x" * 200])
def test_any_file_name_gives_a_name_and_an_id(name: str, tmp_path: Path) -> None:
    path = draft(tmp_path, [Rule(text="Be brief.")], name)
    data = load_yaml(path).data
    assert isinstance(data, dict)
    assert isinstance(data["name"], str)
    assert data["id"] == draft_id(name)
    assert data["id"].replace("_", "").isalpha()
    assert len(data["id"]) <= 50
    assert not any(problem.line in {9, 10} for problem in lint_archetypes(path))


@pytest.mark.parametrize("name", ["langchain", "recipe"])
def test_a_draft_filled_in_applies_the_same_requests(name: str, tmp_path: Path) -> None:
    """Export, import, fill in the gaps, compile, export: the same text again."""
    source = tmp_path / "rules.json"
    before = export(compile_constitution(LIBRARY / "guardian.yaml"), name)[0]
    source.write_text(before, encoding="utf-8")
    text = read_source(source)
    imported = get_format(detect(text, str(source))).read(text, str(source))
    path = draft(tmp_path, list(imported.rules))
    filled = yaml.safe_load((LIBRARY / "guardian.yaml").read_text(encoding="utf-8"))
    by_precedence = compile_constitution(LIBRARY / "guardian.yaml")
    filled["principles"] = [
        {
            **gap,
            "id": p.id.split("/")[1],
            "failure_mode": p.failure_mode,
            "situation": p.situation,
            "statement": p.statement,
            "negative": p.negative,
        }
        for gap, p in zip(principles(path), by_precedence, strict=True)
    ]
    target = tmp_path / "guardian.yaml"
    target.write_text(yaml.safe_dump(filled, allow_unicode=True), encoding="utf-8")
    assert export(compile_constitution(target), name)[0] == before


@pytest.mark.skipif(not PUBLIC_DATA, reason="ANLAGE_PUBLIC_DATA names no folder of public data")
@pytest.mark.parametrize("name", ["goodness", "loving", "misalignment", "sycophancy"])
def test_public_trait_files_become_drafts(name: str, tmp_path: Path) -> None:
    source = Path(PUBLIC_DATA) / "character_prompts" / "constitutions" / f"{name}.json"
    if not source.exists():
        pytest.skip(f"no {source}")
    rows = json.loads(source.read_text(encoding="utf-8"))
    text = read_source(source)
    assert detect(text, str(source)) == "traits"
    imported = get_format("traits").read(text, str(source))
    path = draft(tmp_path, list(imported.rules), name, *imported.lost)
    assert [p["statement"] for p in principles(path)] == [row["trait"] for row in rows]
    comments = path.read_text(encoding="utf-8")
    assert all(" ".join(q.split()) in comments for row in rows for q in row["questions"])
    codes = {problem.code for problem in lint_archetypes(path)}
    assert "A023" in codes
    assert not any(code.startswith("Y") for code in codes)
