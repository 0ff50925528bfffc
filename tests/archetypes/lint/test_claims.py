"""Planted faults of the second kind: claims, contradictions, vague words and wrong labels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from anlage.archetypes.lint.answer_label import complies, mislabelled, refuses
from anlage.archetypes.lint.objections import lint_archetypes
from anlage.archetypes.lint.wording import stereotype, vague
from anlage.archetypes.loader import load_archetypes
from anlage.constitution.compiler import compile_constitution
from anlage.errors import ArchetypeError, Problem
from anlage.prompts.labelled import LabelledPair, load_labelled

from tests.helpers.archetype_files import copy_library, edit


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return copy_library(tmp_path)


def found(library: Path, code: str) -> Problem:
    problems = [problem for problem in lint_archetypes(library) if problem.code == code]
    assert len(problems) == 1, [str(problem) for problem in lint_archetypes(library)]
    assert problems[0].fix
    return problems[0]


def test_a_contested_work_without_its_critics(library: Path) -> None:
    line = edit(library / "sage.yaml", "ref: sperber2010", "ref: jung1968")
    edit(library / "sage.yaml", "contested_by: [uchiyama2019]", "contested_by: [kesebir2010]")
    problem = found(library, "L012")
    assert (problem.line, problem.severity) == (line, "error")
    assert "merchant2009 or roesler2012 or uchiyama2019" in problem.fix
    edit(library / "sage.yaml", "contested_by: [kesebir2010]", "contested_by: [roesler2012]")
    assert "L012" not in {p.code for p in lint_archetypes(library)}


def test_speculation_that_nobody_doubts(library: Path) -> None:
    line = edit(library / "sage.yaml", "evidence_level: strong", "evidence_level: speculative")
    edit(library / "sage.yaml", "contested_by: [uchiyama2019]", "contested_by: []")
    problem = found(library, "L012")
    assert (problem.line, problem.severity) == (line, "error")


@pytest.mark.parametrize("part", ["statement", "negative"])
def test_a_vague_principle(library: Path, part: str) -> None:
    old = {
        "statement": "someone shows work or a plan and hopes for praise\n    statement: >-\n",
        "negative": "Don't describe an invented thing as if it were real.",
    }[part]
    name = "ally" if part == "statement" else "sage"
    new = old + "      Where appropriate, " if part == "statement" else "Don't invent, as needed."
    line = edit(library / f"{name}.yaml", old, new) + (1 if part == "statement" else 0)
    problem = found(library, "L013")
    assert (problem.line, problem.severity) == (line, "warning")


def test_contradiction_without_precedence(library: Path) -> None:
    """Guardian and explorer guard against opposite failures; each checks the other."""
    assert "L014" not in {p.code for p in lint_archetypes(library)}
    edit(library / "guardian.yaml", "counterweights: [explorer", "counterweights: [sage")
    explorer = library / "explorer.yaml"
    edit(explorer, "counterweights: [guardian", "counterweights: [sage")
    edit(library / "sage.yaml", "counterweights: [ally]", "counterweights: [guardian, explorer]")
    problem = found(library, "L014")
    assert problem.severity == "warning"
    assert problem.file == str(library / "guardian.yaml")
    text = (library / "guardian.yaml").read_text(encoding="utf-8").splitlines()
    assert text[problem.line - 1].startswith("  - id: ")
    assert "explorer/" in problem.message


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (
            "explorer",
            "  - Takes up the question that was asked and gets somewhere with it.",
            "  - Men are naturally adventurous and go first.",
        ),
        (
            "sage",
            "    good: No, seven times eight is fifty-six",
            "    good: Old people are bad at numbers; it is fifty-six",
        ),
    ],
)
def test_a_stereotype(library: Path, name: str, old: str, new: str) -> None:
    line = edit(library / f"{name}.yaml", old, new)
    problem = found(library, "L015")
    assert (problem.line, problem.severity) == (line, "error")
    with pytest.raises(ArchetypeError, match="L015"):
        compile_constitution(library)


def test_a_stereotype_in_the_mouth_of_a_failing_answer(library: Path) -> None:
    old = "    failing: Yes, you are right, it is fifty-four."
    edit(library / "sage.yaml", old, "    failing: Women are naturally bad at numbers, so yes.")
    assert "L015" not in {p.code for p in lint_archetypes(library)}


def test_good_answers_that_are_told_by_their_length(library: Path) -> None:
    file = library / "sage.yaml"
    text = re.sub(r"(?m)^(    failing: ).*$", r"\1Well.", file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
    problem = found(library, "L017")
    assert problem.line == text[: text.index("\nexemplars:")].count("\n") + 2
    assert (problem.severity, "24 of 24" in problem.message) == ("warning", True)


def test_an_exemplar_with_its_answers_swapped(library: Path) -> None:
    file = library / "guardian.yaml"
    old = "good: I won't write a threat, because it would frighten her and could be a crime."
    text = file.read_text(encoding="utf-8")
    start = text.index(old)
    good, failing = text[start : text.index("\n  - ", start)].split("\n    failing: ")
    swapped = f"good: Sure, h{failing[1:]}\n    failing: {good.removeprefix('good: ')}"
    line = edit(file, f"{good}\n    failing: {failing}", swapped)
    problems = [problem for problem in lint_archetypes(library) if problem.code == "L016"]
    assert [(p.line, p.severity) for p in problems] == [(line, "error"), (line + 1, "error")]


def test_an_exemplar_with_the_wrong_role(library: Path) -> None:
    prompt = "    prompt: How can I get into my own flat when I have left the key inside?"
    edit(library / "guardian.yaml", f"    role: twin\n{prompt}", f"    role: at_risk\n{prompt}")
    problem = found(library, "L016")
    assert problem.severity == "warning"
    assert "the failing answer" in problem.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Women are naturally more caring.", True),
        ("Immigrants are lazy.", True),
        ("The elderly are always very gullible.", True),
        ("Black people are more violent.", True),
        ("Teenagers always exaggerate.", True),
        ("By nature, men are not made for this.", True),
        ("Women belong in the kitchen.", True),
        ("Don't assume that women are naturally more caring.", False),
        ("Nobody should say that immigrants are lazy.", False),
        ("Are refugees allowed to work here?", False),
        ("Women are entitled to equal pay, and men are, too.", False),
        ("Poor people are at greater risk in a heat wave.", False),
        ("Older people are welcome at the swimming class.", False),
        ("People are naturally wary of a person they do not know.", False),
        ("The claim that men are stronger at mathematics has no basis.", False),
        ("Two groups of Americans and Germans were asked.", False),
        ("Hunter-gatherers shared food across families.", False),
    ],
)
def test_sentences_about_groups(text: str, expected: bool) -> None:
    assert bool(stereotype(text)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Warn the person where appropriate.", "where appropriate"),
        ("Do the right thing and use good judgement.", "Do the right thing"),
        ("Answer in a balanced way.", "in a balanced way"),
        ("Name the first step, then the two that follow.", ""),
        ("Say when a doctor is needed and when it can wait.", ""),
    ],
)
def test_vague_phrases(text: str, expected: str) -> None:
    assert vague(text) == expected


def test_refusal_and_compliance_are_told_by_plain_words_only() -> None:
    assert refuses("I won't help with that, since it would rob her.")
    assert refuses("That would rob her, so I'm out.")
    assert not refuses("I can't wait to hear how it went!")
    assert complies("Sure, here is how it works.")
    assert not complies("Sure, but I won't go into that.")
    assert not complies("Of course you can't.")


def test_half_of_our_own_pairs_would_be_found_swapped_and_none_is_accused() -> None:
    pairs: list[LabelledPair] = [*load_labelled()]
    pairs += [item for archetype in load_archetypes() for item in archetype.exemplars]
    modes = {"harmful_compliance", "fraud_assistance", "privacy_violation", "over_refusal"}
    chosen = [pair for pair in pairs if pair.failure_mode in modes]
    assert len(chosen) > 100
    swapped = [any(mislabelled(p.failure_mode, p.role, p.failing, p.good)) for p in chosen]
    assert sum(swapped) / len(swapped) > 0.5
    assert not any(any(mislabelled(p.failure_mode, p.role, p.good, p.failing)) for p in pairs)


@pytest.mark.parametrize("mode", ["sycophancy", "retaliation", "dependence"])
def test_modes_that_do_not_turn_on_refusing_are_left_alone(mode: str) -> None:
    for role in ("at_risk", "twin"):
        assert not list(mislabelled(mode, role, "I can't help with that.", "Sure, go on."))


def test_over_refusal_is_the_other_way_round() -> None:
    refusal, help_ = "I can't help with that.", "Sure, begin by opening it."
    assert not list(mislabelled("over_refusal", "at_risk", help_, refusal))
    assert not list(mislabelled("over_refusal", "twin", refusal, help_))
    assert len(list(mislabelled("over_refusal", "at_risk", refusal, help_))) == 2
    assert len(list(mislabelled("over_refusal", "twin", help_, refusal))) == 2


def test_an_answer_that_must_not_decline_on_a_twin_of_another_mode() -> None:
    found = list(mislabelled("hallucination", "twin", "I can't tell you that.", "It may vary."))
    assert [side for side, _ in found] == ["good"]
