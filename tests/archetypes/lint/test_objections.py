from __future__ import annotations

from pathlib import Path

import pytest
from anlage.archetypes.lint.objections import lint_archetypes
from anlage.archetypes.lint.wording import asserts_evolved_is_good, jaccard, trait_only
from anlage.errors import Problem

from tests.helpers.archetype_files import copy_library, edit


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return copy_library(tmp_path)


def test_the_shipped_library_is_clean() -> None:
    assert lint_archetypes() == []


def found(library: Path, code: str) -> Problem:
    problems = [problem for problem in lint_archetypes(library) if problem.code == code]
    assert len(problems) == 1, [str(problem) for problem in lint_archetypes(library)]
    return problems[0]


@pytest.mark.parametrize(
    ("name", "old", "new", "code", "severity", "offset"),
    [
        (
            "explorer",
            "  - Takes up the question that was asked and gets somewhere with it.",
            "  - Curiosity is right because it evolved.",
            "L001", "error", 0,
        ),
        (
            "guardian",
            "      Give the practical protective steps they asked for, the most useful one first.",
            "      Be a good, kind and caring assistant to people.",
            "L002", "error", -1,
        ),
        (
            "sage",
            "Don't describe an invented thing as if it were real.",
            "Point out in the first sentence that it does not exist or did not happen, "
            "and give the nearest fact that is true.",
            "L003", "error", 0,
        ),
        (
            "ally",
            "situation: someone shows work or a plan and hopes for praise",
            "situation: Someone shows work.",
            "L004", "warning", 0,
        ),
        (
            "sage",
            "    failing: Yes, you are right, it is fifty-four.",
            "    failing: No,  seven times EIGHT is fifty-six!",
            "L005", "error", 0,
        ),
        (
            "sage",
            "    prompt: Seven times eight is fifty-four, isn't it?",
            "    prompt: Seven times eight is fifty-six, isn't it?",
            "L005", "error", 0,
        ),
        (
            "explorer",
            "  - everyday_task\n",
            "  - lonely_or_attached\n  - everyday_task\n",
            "L007", "warning", 0,
        ),
        (
            "guardian",
            "    - I am not able to discuss anything so risky.",
            "    - i can't talk about that",
            "L008", "warning", 0,
        ),
        (
            "sage",
            "contested_by: [uchiyama2019]",
            "contested_by: [becker2019]",
            "L009", "warning", 0,
        ),
    ],
)  # fmt: skip
def test_each_objection_at_its_line(
    library: Path, name: str, old: str, new: str, code: str, severity: str, offset: int
) -> None:
    line = edit(library / f"{name}.yaml", old, new)
    problem = found(library, code)
    assert (problem.line, problem.severity) == (line + offset, severity)
    assert problem.file == str(library / f"{name}.yaml")
    assert problem.fix


def test_a_reference_from_memory(library: Path) -> None:
    own = "gossip2000: {status: M, cite: 'Somebody (2000). On gossip and its uses. A journal.'}\n"
    (library / "references.yaml").write_text(own, encoding="utf-8")
    line = edit(library / "explorer.yaml", "ref: kidd2015", "ref: gossip2000")
    problem = found(library, "L009")
    assert "gossip2000" in problem.message
    assert (problem.file, problem.line) == (str(library / "explorer.yaml"), line)
    assert problem.severity == "warning"


def test_missing_exemplars_are_counted(library: Path) -> None:
    file = library / "ally.yaml"
    text = file.read_text(encoding="utf-8")
    block = text[text.index("  - failure_mode: dependence\n    role: twin") :]
    block = block[: block.index("  - failure_mode", 5)]
    file.write_text(text.replace(block, ""), encoding="utf-8")
    assert "3 exemplar(s) for dependence, twin" in found(library, "L006").message


def test_near_duplicate_principles_across_files(library: Path) -> None:
    text = (library / "explorer.yaml").read_text(encoding="utf-8")
    start = text.index("  - id: mark-the-edge")
    block = text[start : text.index("  - id: test-the-ground")].replace("mark-the-edge", "copy")
    block = block.replace("unanswerable_question, recent_or_private_fact", "false_premise")
    line = edit(
        library / "sage.yaml", "  - id: fact-over-agreement", block + "  - id: fact-over-agreement"
    )
    problem = found(library, "L011")
    assert (problem.line, problem.file) == (line, str(library / "sage.yaml"))
    assert "explorer.yaml:" in problem.message


def test_a_file_should_be_named_after_its_id(library: Path) -> None:
    edit(library / "sage.yaml", "id: sage", "id: elder")
    assert found(library, "L010").fix == "name it elder.yaml"


def test_loader_errors_come_along(library: Path) -> None:
    edit(library / "ally.yaml", "ref: neel2016", "ref: neel2061")
    edit(library / "sage.yaml", "name: Sage", "nam: Sage")
    codes = [problem.code for problem in lint_archetypes(library)]
    assert "A016" in codes
    assert "A001" in codes
    assert [p.code for p in lint_archetypes(library / "none")] == ["A000"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fear of strangers is good because it evolved.", True),
        ("It evolved; therefore it is right to act on it.", True),
        ("That it is adaptive proves that it is good.", True),
        ("Loyalty was selected for, so it is morally better.", True),
        ("Evolved is not good.", False),
        ("It evolved so that a missed danger costs more than a good night's sleep.", False),
        ("The answer is good because it names a source.", False),
        ("Harm was met before it struck, at the price of some false alarms.", False),
    ],
)
def test_claims_that_evolved_is_good(text: str, expected: bool) -> None:
    assert asserts_evolved_is_good(text) is expected


@pytest.mark.parametrize(
    ("statement", "vague"),
    [
        ("Be good.", True),
        ("Always try to be helpful, honest and harmless to everyone.", True),
        ("Be a kind and caring assistant towards all people.", True),
        ("Name one thing that works, then say what does not.", False),
        ("Say no in the first sentence and give the reason.", False),
    ],
)
def test_trait_only_statements(statement: str, vague: bool) -> None:
    assert bool(trait_only(statement)) is vague


def test_jaccard_by_hand() -> None:
    assert jaccard({"a", "b", "c"}, {"b", "c", "d"}) == 0.5
    assert jaccard(set(), set()) == 0.0


@pytest.mark.parametrize(
    ("opening", "fault"),
    [
        ("Some say ... while others hold that ...", "while others hold that"),
        ("Let us play ... instead.", "instead."),
        ("I won't ..., because ...", ", because"),
        ("I see it so … and so …", "and so"),
    ],
)
def test_what_follows_a_gap_begins_a_sentence(library: Path, opening: str, fault: str) -> None:
    old = "      - I like that you ... One thing I would change is ..."
    line = edit(library / "ally.yaml", old, f"      - {opening}")
    problem = found(library, "L018")
    assert (problem.line, problem.severity) == (line, "warning")
    assert repr(fault) in problem.message
