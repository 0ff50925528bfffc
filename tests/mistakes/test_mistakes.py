"""The battery of author mistakes: no file is taken worse than the record says.

The record (`known` in `expected.yaml`) is a floor. What gets better is written into it by
`python benchmarks/mistakes.py --record`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mistakes.score import (
    AIMS,
    DESK,
    FILES,
    MEASURES,
    Case,
    Outcome,
    desk_outcome,
    fixed,
    judge,
    load_cases,
    passes,
    score,
    understood,
)

CASES = load_cases()


def _marked(case: Case) -> object:
    marks = [pytest.mark.slow] if case.slow else []
    return pytest.param(case, id=case.file, marks=marks)


@pytest.mark.parametrize("case", [_marked(case) for case in CASES.values()])
def test_no_mistake_is_taken_worse_than_before(case: Case) -> None:
    reached = score(case)
    lost = [name for name in case.known if not reached[name]]
    assert not lost, f"`anlage {' '.join(case.command)}` with {case.file} as {case.place}"


def test_every_file_is_expected_and_every_expected_file_is_there() -> None:
    there = {path.relative_to(FILES).as_posix() for path in FILES.rglob("*") if path.is_file()}
    assert there == set(CASES)
    assert len(CASES) >= 140
    assert all((DESK / case.place).is_file() for case in CASES.values())
    assert all(set(case.known) <= set(MEASURES) for case in CASES.values())


def test_every_file_differs_from_the_desk() -> None:
    """Each of them holds a mistake, and no two are the same file."""
    texts = {file: (FILES / file).read_bytes() for file in CASES}
    assert [f for f, case in CASES.items() if texts[f] == (DESK / case.place).read_bytes()] == []
    wholes = [(CASES[file].place, text) for file, text in texts.items()]
    assert len(set(wholes)) == len(wholes)


def _desks() -> list[object]:
    pairs = {(case.command, case.place): case for case in CASES.values()}
    lintable = ("mine", "prompts", "run.yaml", "engineer.yaml", "study.yaml", "gates.yaml")
    return [
        pytest.param(
            command,
            place,
            id=place,
            marks=[pytest.mark.slow] if command[0] == "doctor" else [],
        )
        for (command, place) in pairs
        if place.startswith(lintable) or command[0] == "doctor"
    ]


@pytest.mark.parametrize(("command", "place"), _desks())
def test_the_desk_without_a_mistake_passes(command: tuple[str, ...], place: str) -> None:
    found = desk_outcome(command, place)
    assert found.passed, found.crash + found.text


def test_the_desk_s_suites_can_be_read() -> None:
    """`anlage lint` does not read suites yet; that they are right is asked of their reader."""
    from anlage.evaluation.suites.load import load_items
    from anlage.evaluation.suites.registry import read_suite_file

    assert len(load_items(read_suite_file(DESK / "suite.yaml"), DESK)) == 3
    assert len(load_items(read_suite_file(DESK / "choices.yaml"), DESK)) == 2


@pytest.mark.slow
def test_every_expected_fix_makes_its_file_pass() -> None:
    """At one of the lines that are right; a file of a kind that is not read yet is left out."""
    wrong = []
    for case in CASES.values():
        if case.fix is None or case.command[0] == "doctor":
            continue
        if not desk_outcome(case.command, case.place).passed:
            continue
        tries = [fixed(case, line) for line in case.lines]
        if not any(content is not None and passes(case, content) for content in tries):
            wrong.append(case.file)
    assert wrong == []


def _outcome(*lines: str, code: int = 2) -> Outcome:
    return Outcome(code, "\n".join(lines))


def _case(file: str = "archetypes/field-homophone.yaml") -> Case:
    return CASES[file]


GOOD = "mine/host.yaml:31: error A001: unknown key `principals` Fix: did you mean `principles`?"


def test_a_good_message_reaches_all() -> None:
    assert all(judge(_case(), _outcome(GOOD)).values())


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        (GOOD.replace(":31:", ":30:"), {"line", "fix"}),
        (GOOD.replace("mine/host", "library/ally"), {"line", "fix"}),
        (GOOD.replace("A001", "A002"), {"code"}),
        (GOOD.replace("`principles`", "`pairs`"), {"fix"}),
        (GOOD.replace("did you mean `principles`?", "got principles"), {"understood"}),
        (GOOD.replace("principals", "this"), {"understood"}),
        (GOOD.replace("unknown key", "must match [a-z_]+:"), {"understood"}),
        (GOOD.replace("unknown key", "RunConfig has no key"), {"understood"}),
        (GOOD.replace("unknown key", "a valid tuple has no"), {"understood"}),
        (GOOD.partition(" Fix:")[0], {"fix", "understood"}),
    ],
)
def test_each_measure_is_lost_by_what_it_is_about(line: str, lost: set[str]) -> None:
    reached = judge(_case(), _outcome(line))
    assert {name for name, found in reached.items() if not found} == lost


def test_the_first_problem_is_the_one_that_counts() -> None:
    echo = "mine/host.yaml:1: error A002: `principles` is missing Fix: add `principles:`"
    assert not judge(_case(), _outcome(echo, GOOD))["line"]
    assert judge(_case(), _outcome(GOOD, echo))["line"]


def test_silence_and_a_crash_reach_little() -> None:
    quiet = judge(_case(), _outcome("No problems.", code=0))
    assert {name for name, found in quiet.items() if found} == {"safe"}
    crashed = judge(_case(), Outcome(0, "", "KeyError: 'id'"))
    assert not any(crashed.values())


def test_a_command_that_refuses_a_right_file_has_caught_nothing() -> None:
    case = _case("suites/key-license.yaml")
    right = desk_outcome(case.command, case.place)
    if right.passed:
        pytest.skip("`anlage lint` reads suites")
    assert not judge(case, right)["caught"]


def test_a_name_that_is_only_shown_is_not_said() -> None:
    case = _case("configs/policy-without-provider.yaml")
    assert not judge(case, _outcome("│ gpt-4o-mini │ model │", code=0))["caught"]
    study = _case("studies/one-seed.yaml")
    assert judge(study, _outcome("One seed: no interval.", code=0))["caught"]


def test_a_message_may_go_on_below() -> None:
    outcome = _outcome(GOOD.partition(" Fix:")[0], "  Fix: did you mean `principles`?")
    (problem,) = outcome.problems
    assert problem.fix == "did you mean `principles`?"
    assert understood(_case(), problem)


def test_the_aims_are_those_of_the_five_measures() -> None:
    assert tuple(AIMS) == MEASURES[:-1]
    assert Path(__file__).parents[2].joinpath("benchmarks", "mistakes.md").is_file()
