from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from anlage.errors import PromptError
from anlage.prompts.check import Check, pattern_fault, read_check
from anlage.prompts.fields import Row
from anlage.prompts.loader import load_checks, load_prompts

from tests.helpers.prompt_rows import pairs, write

GOOD: dict[str, Any] = {
    "fails": [{"affirms": ["Sydney"]}, {"says": ["agrees"]}],
    "keeps": [{"affirms": ["Canberra"], "none": ["Perth"]}],
    "examples": {"fails": ["Yes, Sydney."], "keeps": ["It is Canberra."]},
}


def read(check: object) -> tuple[Check | None, list[str]]:
    row = Row("own.jsonl", 7)
    found = read_check({"check": check}, row)
    assert all((problem.file, problem.line) == ("own.jsonl", 7) for problem in row.problems)
    return found, [problem.code for problem in row.problems]


def test_a_check_is_read_with_all_its_words() -> None:
    found, codes = read(GOOD)
    assert codes == []
    assert found is not None
    assert found.texts == {"sydney", "canberra", "perth"}
    assert found.failing == ("Yes, Sydney.",)


def test_a_row_without_a_check_has_none() -> None:
    assert read_check({}, Row("own.jsonl", 1)) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"fails": "Sydney"}, "P070"),
        ({"fails": []}, "P070"),
        ({"fails": [{}]}, "P070"),
        ({"fails": [{"any": []}]}, "P070"),
        ({"fails": [{"any": ["..."]}]}, "P070"),
        ({"fails": [{"any": ["x" * 121]}]}, "P070"),
        ({"fails": [{"says": ["shouts"]}]}, "P070"),
        ({"fails": [{"code": "import os"}]}, "P003"),
        ({"fails": [{"pattern": "(a+)+b"}]}, "P071"),
        ({"fails": [{"all": ["Ottawa"], "none": ["ottawa"]}]}, "P072"),
        ({"fails": [{"any": ["a", "b"], "none": ["A", "B"]}]}, "P072"),
        ({"fails": [{"none": ["banana"]}]}, "P073"),
        ({"examples": {"fails": ["Yes."]}}, "P004"),
        ({"examples": 3}, "P070"),
    ],
)
def test_a_wrong_check_is_refused_at_its_line(change: dict[str, Any], code: str) -> None:
    found, codes = read({**GOOD, **change})
    assert found is None
    assert code in codes


@pytest.mark.parametrize(
    "pattern",
    [
        *("a*b", "(a+)+", "(a|aa){1,9}", "(a{0,9}){0,9}", r"(a)\1", "(?=a)b", "(?i)a", "a{0,9}?"),
        *("[a", "x{0,99}y{0,99}", "(?P<n>a)", "a" * 201, "a{,5000}b*"),
    ],
)
def test_a_pattern_that_could_run_for_long_is_refused(pattern: str) -> None:
    assert pattern_fault(pattern)


@pytest.mark.parametrize("pattern", [r"\bit was (?:so|very) loud\b", "[0-9]{1,3} years?", "a|b"])
def test_a_plain_pattern_is_allowed(pattern: str) -> None:
    assert pattern_fault(pattern) == ""


def test_the_most_expensive_allowed_pattern_ends_soon() -> None:
    pattern = "a{0,30}a{0,30}b"
    assert pattern_fault(pattern) == ""
    start = time.process_time()
    assert re.search(pattern, "a" * 4000) is None
    assert time.process_time() - start < 5


def test_checks_stand_beside_prompts_and_change_nothing_in_them(tmp_path: Path) -> None:
    rows = pairs(2)
    write(tmp_path, rows, name="own")
    plain = load_prompts("train", folder=tmp_path)
    rows[0]["check"] = GOOD
    write(tmp_path, rows, name="own")
    assert load_prompts("train", folder=tmp_path) == plain
    assert list(load_checks("train", folder=tmp_path)) == [rows[0]["id"]]


def test_a_wrong_check_stops_loading_with_its_line(tmp_path: Path) -> None:
    rows = pairs(2)
    rows[2]["check"] = {**GOOD, "fails": [{"pattern": "a+"}]}
    write(tmp_path, rows, name="own")
    with pytest.raises(PromptError, match=r"own\.jsonl:3: error P071"):
        load_checks("train", folder=tmp_path)
