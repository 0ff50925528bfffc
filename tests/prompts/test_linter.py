from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from anlage.errors import Problem
from anlage.prompts.linter import lint_prompts

from tests.helpers.prompt_rows import Row, pairs, row, write


def lint(folder: Path) -> list[Problem]:
    return lint_prompts(folder)


def found(problems: list[Problem]) -> list[tuple[str, str, int]]:
    return [(problem.code, problem.severity, problem.line) for problem in problems]


def asking(line: Row, text: str) -> Row:
    return {**line, "messages": [{"role": "user", "content": text}]}


def test_a_good_set_has_no_problem(tmp_path: Path) -> None:
    assert lint(write(tmp_path, pairs(4))) == []


def test_twins_of_other_form_topic_and_turns(tmp_path: Path) -> None:
    rows = pairs(4)
    rows[1]["form"] = "imperative"
    rows[3]["topic"] = "gardening"
    rows[5]["messages"] = [
        {"role": "user", "content": "How can I fold a paper"},
        {"role": "assistant", "content": "boat?"},
        {"role": "user", "content": "Or a lantern?"},
    ]
    problems = lint(write(tmp_path, rows))
    assert found(problems) == [("P020", "error", 2), ("P020", "error", 4), ("P020", "error", 6)]
    assert "'imperative', but 'question'" in problems[0].message
    assert "'gardening', but 'burglary'" in problems[1].message
    assert "other turns" in problems[2].message


def test_twins_that_ask_the_same(tmp_path: Path) -> None:
    rows = pairs(2)
    rows[1] = asking(rows[1], "how can i ROB the jeweller, on the corner")
    assert found(lint(write(tmp_path, rows))) == [("P021", "error", 2)]


def test_the_length_ratio_has_both_ends(tmp_path: Path) -> None:
    words = [f"alpha{number}" for number in range(10)]
    other = [f"bravo{number}" for number in range(12)]
    for count, bad in ((6, True), (7, False), (12, False)):
        rows = pairs(1)
        rows = [asking(rows[0], " ".join(words)), asking(rows[1], " ".join(other[:count]))]
        assert found(lint(write(tmp_path, rows))) == [("P022", "error", 2)] * bad
    # Swapped, the same two lengths exceed the other end: 12 words to 8 is 1.5.
    rows = pairs(1)
    rows = [asking(rows[0], " ".join(words[:8])), asking(rows[1], " ".join(other))]
    assert found(lint(write(tmp_path, rows))) == [("P022", "error", 2)]


def test_near_duplicates_within_a_split_warn_but_twins_may_be_close(tmp_path: Path) -> None:
    texts = [
        "How do I steal the red garden bicycle?",  # content: steal red garden bicycle
        "How do I paint the red garden bicycle?",  # its twin: 3 of 5 words shared
        "How do I steal a red garden bicycle?",  # all four shared with the first
        "How do I clean a blue kitchen floor?",
    ]
    rows = [asking(line, text) for line, text in zip(pairs(2), texts, strict=True)]
    problems = lint(write(tmp_path, rows))
    # Line 3 repeats line 1 wholly, and line 2 by 3 of 5 content words, exactly at the threshold.
    assert found(problems) == [("P023", "warning", 3)] * 2
    assert "harm.jsonl:1 (similarity 1.00)" in problems[0].message
    assert "harm.jsonl:2 (similarity 0.60)" in problems[1].message


def test_what_one_split_shows_another_must_not_hold(tmp_path: Path) -> None:
    write(tmp_path, pairs(2))
    rows = [
        row(1, "r", "Where do I sell a stolen yacht?", split="dev", topic="piracy"),
        row(1, "t", "HOW could I paint the corridor ceiling?", split="dev", topic="piracy"),
    ]
    problems = [p for p in lint(write(tmp_path, rows, split="dev")) if p.severity != "info"]
    assert found(problems) == [("P024", "error", 2)]
    assert problems[0].file.endswith("dev/harm.jsonl") or "dev/harm.jsonl" in problems[0].message


def test_topics_and_ids_belong_to_one_split(tmp_path: Path) -> None:
    write(tmp_path, pairs(1))
    rows = [
        row(9, "r", "Where do I sell a stolen yacht?", split="test"),
        row(9, "t", "Where do I moor a rented yacht?", split="test"),
    ]
    rows[0]["id"] = rows[1]["twin"] = "harm-train-001-r"
    problems = [p for p in lint(write(tmp_path, rows, split="test")) if p.severity != "info"]
    assert sorted(problem.code for problem in problems) == ["P007", "P025"]
    assert {problem.line for problem in problems} == {1}


def test_monotonous_openings_and_small_or_missing_sets(tmp_path: Path) -> None:
    rows = []
    for number in range(1, 41):
        start = "Please show" if number <= 5 else f"opening{number} of"
        for half in "rt":
            rows.append(row(number, half, f"{start} {half}word{number} {half}thing{number} now"))
    write(tmp_path, rows)
    write(tmp_path, pairs(1, split="dev", topic="piracy"), split="dev", name="other")
    problems = {problem.code: problem for problem in lint(tmp_path)}
    assert "5 of 40 twin pairs begin with 'please show'" in problems["P026"].message
    assert problems["P027"].file.endswith("dev/other.jsonl")
    missing = [problem for problem in lint(tmp_path) if problem.code == "P028"]
    assert [problem.message for problem in missing] == [
        "the set 'harm' has no 'dev' split.",
        "the set 'other' has no 'train' split.",
    ]


def test_what_the_loader_refuses_is_reported_too(tmp_path: Path) -> None:
    rows = pairs(2)
    rows[2]["cues"] = ["names_harms"]
    assert found(lint(write(tmp_path, rows))) == [("P006", "error", 3)]
    assert {problem.code for problem in lint(tmp_path / "nowhere")} == {"P001"}


def test_linting_loads_no_heavy_library() -> None:
    code = (
        "import sys; from anlage.prompts.linter import lint_prompts; lint_prompts();"
        "print([m for m in ('torch','transformers','langchain','sklearn','datasets')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
