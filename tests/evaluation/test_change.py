"""A change says no more than its interval and test, and turns round with its measure."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from anlage.evaluation.change import Change, changes, compare
from anlage.evaluation.measure import HARM, Measure
from anlage.evaluation.suites.attack import SLOT, Attack, Turn
from anlage.evaluation.suites.evaluation import ModelOutcomes
from anlage.evaluation.suites.gates import Gates, check_gates
from anlage.evaluation.suites.outcome import JudgedAnswer, ScoredChoice, SuiteOutcome
from anlage.evaluation.suites.plan import _attacked
from anlage.stats.intervals import wilson

from ..helpers.evaluation import two_models
from ..helpers.suites import prompt_suite

BEFORE = {f"p{k}": 0.0 for k in range(40)}
AFTER = {f"p{k}": float(k < 30) for k in range(40)}


def change_of(measure: Measure, *, back: bool = False) -> Change:
    found = compare(measure, *((AFTER, BEFORE) if back else (BEFORE, AFTER)))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("good", "rise", "fall"),
    [
        ("higher", "better", "worse"),
        ("lower", "worse", "better"),
        ("", "unclear", "unclear"),
    ],
)
def test_the_verdict_follows_the_good_direction(good: str, rise: str, fall: str) -> None:
    measure = Measure("matching", suite="power", good=good)  # type: ignore[arg-type]
    up, down = change_of(measure), change_of(measure, back=True)
    assert (up.direction, up.verdict) == ("rose", rise)
    assert (down.direction, down.verdict) == ("fell", fall)
    assert up.difference.value == -down.difference.value == 0.75


def test_nothing_is_claimed_without_the_adjusted_test() -> None:
    change = change_of(Measure("defended", HARM, "at_risk"))
    assert change.verdict == "better"
    assert replace(change, p_holm=0.05).verdict == "unclear"
    assert replace(change, p_holm=float("nan")).verdict == "unclear"


def test_a_rate_of_a_run_needs_one_shared_unit_and_a_mean_two() -> None:
    one = {"p0": 1.0}
    assert compare(Measure("defended"), one, one) is not None
    assert compare(Measure("repetition"), one, one) is None
    assert compare(Measure("defended", suite="s"), one, one) is None
    assert compare(Measure("defended"), one, {"other": 1.0}) is None


def test_the_file_form_keeps_its_fields_and_their_order() -> None:
    result = two_models()
    form = result.changes("trained")[0].form()
    assert list(form) == ["measure", "before", "after", "difference", "p_holm"]
    assert form["measure"] == {
        "family": "harm",
        "name": "defended",
        "failure_mode": HARM,
        "role": "at_risk",
    }
    assert list(form["measure"]) == ["family", "name", "failure_mode", "role"]
    assert list(form["difference"]) == ["value", "interval", "n", "p", "method"]


def test_what_training_aimed_at_is_marked_in_a_run_too() -> None:
    base, trained = two_models().models
    aimed = {c.measure.name: c.aimed for c in changes(base, trained)}
    assert aimed["defended"]
    assert not aimed["repetition"]


# --- one request in several units

ATTACKS = ("aim", "dan", "leo")


def outcome(sources: list[str], refused: list[bool], ids: list[str] | None = None) -> SuiteOutcome:
    names = ids or [f"{source}/{k}" for k, source in enumerate(sources)]
    answers = tuple(
        JudgedAnswer(
            name, "", "at_risk", "harmful_compliance", "asked", "text",
            "refused" if no else "answered", 0.5, source=source,
        )
        for name, source, no in zip(names, sources, refused, strict=True)
    )  # fmt: skip
    return SuiteOutcome("s", "S", "answers", "", "dev", "hash", answers=answers)


def family(requests: int, *, refused: bool) -> SuiteOutcome:
    sources = [f"r{k}" for k in range(requests) for _ in ATTACKS]
    return outcome(sources, [refused] * len(sources))


def model(name: str, found: SuiteOutcome) -> ModelOutcomes:
    return ModelOutcomes(name, name, (found,))


def gate(**bound: float) -> Gates:
    return Gates.model_validate({"gates": [{"suite": "s", "metric": "defended", **bound}]})


@pytest.mark.parametrize("requests", [5, 20])
def test_requests_all_answered_alike_have_the_width_of_requests(requests: int) -> None:
    for refused in (True, False):
        found = family(requests, refused=refused)
        estimate = found.estimate(found.measures()[0])
        assert estimate is not None
        expected = wilson(requests * refused, requests)
        assert estimate.interval.low == pytest.approx(expected.low)
        assert estimate.interval.high == pytest.approx(expected.high)


def test_a_sure_gate_does_not_pass_on_five_requests() -> None:
    before, after = family(5, refused=True), family(5, refused=True)
    passed = check_gates(gate(at_least=0.99), model("m", after), None)
    kept = check_gates(gate(fall_at_most=0.0), model("m", after), model("b", before))
    assert [result.passed for result in (*passed, *kept)] == [False, False]
    assert "0.566" in passed[0].text
    assert check_gates(gate(at_least=0.5), model("m", after), None)[0].passed


def test_nothing_in_an_id_says_which_answers_belong_together() -> None:
    refused = [True] * 20 + [False] * 20
    plain = (found := outcome([""] * 40, refused)).estimate(found.measures()[0])
    for ids in (
        [f"c++-{k:03d}" for k in range(40)],
        [f"{word}+{k}" for word in ("en", "de") for k in range(20)],
        [f"x-{'rt'[k % 2]}{k}-r" for k in range(40)],
    ):
        named = outcome([""] * 40, refused, ids)
        assert named.estimate(named.measures()[0]) == plain
        turned = outcome([""] * 40, [True] * 40, ids)
        (change, *_) = changes(model("a", named), model("b", turned))
        assert (change.difference.n, change.direction) == (40, "rose")


def test_a_file_of_an_earlier_version_is_read_by_its_requests() -> None:
    found = family(5, refused=True)
    data = asdict(found)
    for k, row in enumerate(data["answers"]):
        del row["source"]
        row["asked"] = f"request {k // 3}"
    old = SuiteOutcome.from_data(data)
    assert old.estimate(old.measures()[0]) == found.estimate(found.measures()[0])


def test_an_attack_names_the_request_it_was_put_around() -> None:
    suite = prompt_suite("harm", "at_risk")
    wraps = [
        Attack(name=name, family="made-up", turns=(Turn(role="user", content=f"{name}: {SLOT}"),))
        for name in ATTACKS
    ]
    items = _attacked(suite, "made-up", wraps).prompts
    assert {item.source for item in items} == {item.id for item in suite.prompts}
    assert len({item.id for item in items}) == len(items) == len(suite.prompts) * len(ATTACKS)
    # Where a request comes from is no part of what is asked.
    moved = replace(
        suite, prompts=tuple(replace(i, source="else", twin="t") for i in suite.prompts)
    )
    assert moved.sha256 == suite.sha256


@pytest.mark.parametrize(
    ("name", "values", "low", "high"),
    [("probability", (0.99, 0.98, 0.99, 0.6), 0.0, 1.0), ("nats", (-0.1, -5.0), 0.0, 1e9)],
)
def test_a_mean_stays_within_what_it_can_be(
    name: str, values: tuple[float, ...], low: float, high: float
) -> None:
    kind = "last_word" if name == "nats" else "choice"
    choices = tuple(ScoredChoice(f"i{k}", "", True, v, v) for k, v in enumerate(values))
    found = SuiteOutcome("s", "S", kind, "", "dev", "hash", choices=choices)  # type: ignore[arg-type]
    measure = next(m for m in found.measures() if m.name == name)
    estimate = found.estimate(measure)
    assert estimate is not None
    assert low <= estimate.interval.low < estimate.interval.high <= high
