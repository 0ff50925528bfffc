"""Formats of other projects: what goes out comes back in, and what is lost is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from anlage.archetypes.loader import LIBRARY
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.interchange import langchain, plain, recipe, traits
from anlage.constitution.interchange.formats import FORMATS, detect, export, get_format
from anlage.constitution.interchange.json_text import MAX_BYTES, read_source
from anlage.constitution.interchange.rule import Imported, Rule, rule_of
from anlage.constitution.principle import Constitution
from anlage.errors import ConfigurationError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.foreign_files import (
    BULLETED,
    BULLETS,
    LANGCHAIN,
    RECIPE,
    TRAITS,
    write_json,
    write_lines,
)

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
rules = st.lists(
    st.builds(
        Rule,
        name=words,
        text=words,
        critique=words,
        revise=words,
        questions=st.lists(words, max_size=3).map(tuple),
        remark=st.just("") | words,
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def guardian() -> Constitution:
    return compile_constitution(LIBRARY / "guardian.yaml")


def load(path: Path) -> tuple[str, Imported]:
    text = read_source(path)
    kind = detect(text, str(path))
    return kind, get_format(kind).read(text, str(path))


def test_a_langchain_file_comes_back_byte_for_byte(tmp_path: Path) -> None:
    kind, found = load(write_json(tmp_path / "c.json", LANGCHAIN))
    assert kind == "langchain"
    assert found.lost == ()
    assert found.rules[0].critique == LANGCHAIN[0]["critique_request"]
    assert found.rules[0].revise == LANGCHAIN[0]["revision_request"]
    assert json.loads(langchain.write(found.rules)) == LANGCHAIN


def test_critique_and_revision_are_not_swapped_in_the_recipe(tmp_path: Path) -> None:
    kind, found = load(write_json(tmp_path / "c.json", RECIPE))
    assert kind == "recipe"
    assert found.rules[0].critique == RECIPE["constitutions"][0]["critic"]
    assert found.rules[0].revise == RECIPE["constitutions"][0]["revision"]
    assert json.loads(recipe.write(found.rules))["constitutions"] == RECIPE["constitutions"]
    assert found.lost == ("1 sample chats: our critic is prompted by templates",)


def test_a_bare_list_of_the_recipe_is_read_too(tmp_path: Path) -> None:
    kind, found = load(write_json(tmp_path / "c.json", RECIPE["constitutions"]))
    assert (kind, len(found.rules), found.lost) == ("recipe", 2, ())


def test_trait_files_come_back_with_their_questions(tmp_path: Path) -> None:
    kind, found = load(write_json(tmp_path / "trigger.txt", TRAITS))  # the project ends them so
    assert kind == "traits"
    assert json.loads(traits.write(found.rules)) == TRAITS
    assert found.lost == ("2 sample questions: comments below their principle",)


def test_generated_trait_lines_bring_more_questions_and_remarks(tmp_path: Path) -> None:
    row = {**TRAITS[0], "clarification": "In numbers.", "additional_questions": ["When?"], "id": 3}
    kind, found = load(write_lines(tmp_path / "few.jsonl", [row, TRAITS[1]]))
    assert kind == "traits"
    assert found.rules[0].questions == (*TRAITS[0]["questions"], "When?")
    assert found.rules[0].remark == "In numbers."
    assert found.lost[1:] == ("keys that mean nothing here: id",)


def test_a_markdown_list_is_read_without_its_headings(tmp_path: Path) -> None:
    path = tmp_path / "list.md"
    path.write_text(BULLETS, encoding="utf-8")
    kind, found = load(path)
    assert kind == "plain"
    assert [rule.text for rule in found.rules] == BULLETED
    assert found.lost == ("3 lines that are headings or remarks",)


def test_lines_without_bullets_are_a_principle_each(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\ufeff# ours\r\nBe brief.\r\n\r\n[See](x) the point.\r\n", encoding="utf-8")
    _, found = load(path)
    assert [rule.text for rule in found.rules] == ["Be brief.", "[See](x) the point."]


def test_a_list_that_begins_with_a_link_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "list.md"
    path.write_text("[Answer](x) first.\n", encoding="utf-8")
    assert [rule.text for rule in load(path)[1].rules] == ["[Answer](x) first."]


@pytest.mark.parametrize("suffix", ["", *plain.SUFFIXES])
def test_our_principles_survive_as_a_plain_list(
    suffix: str, guardian: Constitution, tmp_path: Path
) -> None:
    path = tmp_path / f"list{suffix}"
    path.write_text(export(guardian, "plain", suffix=suffix)[0], encoding="utf-8")
    kind, found = load(path)
    assert kind == "plain"
    assert [rule.text for rule in found.rules] == [rule_of(p).text for p in guardian]
    assert found.lost == ()


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_says_what_it_cannot_hold(name: str, guardian: Constitution) -> None:
    text, lost = export(guardian, name)
    assert text.endswith("\n")
    for what in ("failure mode", "openings", "references"):
        assert any(what in sentence for sentence in lost), what


def test_what_an_export_claims_to_lose_is_lost(guardian: Constitution) -> None:
    for name in FORMATS:
        text, _ = export(guardian, name)
        for principle in guardian:
            assert principle.openings.failing[0] not in text
            assert principle.provenance.references[0] not in text
        assert all(rule.questions == () for rule in get_format(name).read(text, "x").rules)


def test_exports_hold_what_they_are_for(guardian: Constitution) -> None:
    read = {name: get_format(name).read(export(guardian, name)[0], name).rules for name in FORMATS}
    for place, principle in enumerate(guardian):
        assert read["langchain"][place].name == principle.id
        for name in ("langchain", "recipe"):
            assert read[name][place].critique == principle.critique
            assert read[name][place].revise == principle.revise
        for name in ("traits", "plain"):
            assert principle.statement in read[name][place].text
            assert principle.negative in read[name][place].text
            assert principle.situation in read[name][place].text


@given(rules)
@settings(max_examples=60, deadline=None)
def test_any_words_survive_every_format(found: list[Rule]) -> None:
    triples = langchain.read(langchain.write(found), "x").rules
    assert [(r.name, r.critique, r.revise) for r in triples] == [
        (r.name, r.critique, r.revise) for r in found
    ]
    requests = recipe.read(recipe.write(found), "x").rules
    assert [(r.critique, r.revise) for r in requests] == [(r.critique, r.revise) for r in found]
    kept = traits.read(traits.write(found), "x").rules
    remarks = [(r.text, r.questions, r.remark.strip() and r.remark) for r in found]
    assert [(r.text, r.questions, r.remark) for r in kept] == remarks


@given(rules, st.sampled_from(plain.SUFFIXES))
@settings(max_examples=60, deadline=None)
def test_any_words_survive_a_plain_list_but_their_spacing(found: list[Rule], suffix: str) -> None:
    found = [Rule(text=f"When {rule.text}") for rule in found]  # as `rule_of` begins
    read = plain.read(plain.write(found, suffix=suffix), f"x{suffix}").rules
    assert [rule.text for rule in read] == [" ".join(rule.text.split()) for rule in found]


@given(st.text(max_size=60) | st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["trait", "questions", "critic", "constitutions", "critique_request"]),
        inner, max_size=3,
    ), max_leaves=8,
).map(json.dumps))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_other_text_is_read_or_refused_with_a_reason(text: str) -> None:
    for name in (None, *FORMATS):
        try:
            found = get_format(name or detect(text, "x")).read(text, "x")
        except ConfigurationError as error:
            fixes = [problem.fix for problem in error.problems]
        else:
            fixes = []
            assert found.rules
        assert all(fixes)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[\n {"critique_request": "a",}\n]', 2, "not valid JSON"),
        ('{"trait": "I ask."}\n\n{"trait": }', 3, "not valid JSON"),
        ('[{"critique_request": "a"}]', 0, "item 1: `revision_request` is None"),
        ('[{"critic": "a", "revision": "b"}, 3]', 0, "item 2 is int"),
        ('{"constitutions": []}', 0, "no list of {critic, revision}"),
        ('{"critic": "a", "system_chat": []}', 0, "no `constitutions`"),
        ('[{"trait": "a", "questions": "b"}]', 0, "`questions` is no list"),
        ('[{"trait": "a", "clarification": 3}]', 0, "`clarification` is 3"),
        ('[{"trait": "\\ud83d"}]', 0, "half a character"),
        ('["a", 3]', 0, "no list of texts"),
        ("[]", 0, "no principle in it"),
        ("# only a heading\n", 0, "no principle in it"),
        ('[{"colour": "a"}]', 0, "no known format has the keys colour"),
        ("[" * 100_000, 0, "not readable as JSON"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    text: str, line: int, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert (problem.code, problem.file, problem.line) == ("I001", str(path), line)
    assert words in problem.message


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for content, words in ((b"\xff\xfe\x00", "not UTF-8"), (None, "cannot be read")):
        path = tmp_path / "c.json"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigurationError, match=words):
            read_source(path)
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigurationError, match="at most 50,000,000"):
        read_source(path)


def test_unknown_formats_get_a_suggestion(guardian: Constitution) -> None:
    with pytest.raises(ConfigurationError, match="did you mean `langchain`"):
        export(guardian, "langchian")
    with pytest.raises(ConfigurationError, match=r"preferences\.annotated_pairs"):
        get_format("icai")
    with pytest.raises(ConfigurationError, match=r"ends in '\.doc'"):
        export(guardian, "plain", suffix=".doc")
