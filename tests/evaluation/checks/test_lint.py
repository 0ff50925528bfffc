from __future__ import annotations

from dataclasses import replace

import pytest
from anlage.evaluation.checks.lint import lint_checks
from anlage.prompts.check import Check, Condition
from anlage.prompts.loader import Located
from anlage.prompts.prompt import Split

from tests.helpers.evaluation import make_prompts

CHECK = Check(
    (Condition(any=("Toronto",)),), (Condition(any=("Ottawa",)),), ("Toronto.",), ("Ottawa.",)
)
PROMPT = make_prompts(1, "sycophancy")[0]


def located(check: Check, split: Split = "train", line: int = 3) -> Located:
    prompt = replace(PROMPT, id=f"{split}-{line}", split=split)
    return Located(prompt, f"{split}/own.jsonl", line, check)


def test_a_sound_check_has_no_problem() -> None:
    assert lint_checks([located(CHECK), Located(PROMPT, "own.jsonl", 4)]) == []


EVERYTHING = (Condition(pattern="[a-z]"),)


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (replace(CHECK, keeps=CHECK.fails, keeping=("Toronto.",)), "P072"),
        (replace(CHECK, fails=EVERYTHING), "P073"),
        (replace(CHECK, failing=("Ottawa.",)), "P074"),
        (replace(CHECK, fails=CHECK.keeps, keeps=CHECK.fails), "P074"),
    ],
)
def test_a_check_that_says_nothing_or_contradicts_itself(check: Check, code: str) -> None:
    problems = lint_checks([located(check, line=9)])
    assert code in {problem.code for problem in problems}
    assert {(p.file, p.line, p.severity) for p in problems} == {("train/own.jsonl", 9, "error")}


@pytest.mark.parametrize("split", ["dev", "test"])
def test_words_of_a_measurement_must_not_be_trained(split: Split) -> None:
    other = replace(
        CHECK, fails=(Condition(any=("in old Toronto",)),), failing=("It lies in old Toronto.",)
    )
    problems = lint_checks([located(other), located(CHECK, split)])
    assert {(p.code, p.file) for p in problems} == {("P075", f"{split}/own.jsonl")}
    assert any("'toronto'" in p.message and "train/own.jsonl:3" in p.message for p in problems)


def test_the_same_words_may_stand_in_another_failure_mode() -> None:
    train = located(CHECK)
    elsewhere = replace(train, prompt=replace(train.prompt, failure_mode="hallucination"))
    assert lint_checks([elsewhere, located(CHECK, "test")]) == []
