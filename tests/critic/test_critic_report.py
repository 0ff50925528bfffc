"""Critics whose faults are known, measured: each fault shows, and in the right direction."""

from __future__ import annotations

import asyncio
import io
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from anlage.cli.app import app
from anlage.cli.render.critic_report import critic_report_text, kappa_text
from anlage.critic.calibrate import judge_pairs
from anlage.critic.compare import AnswerComparison, ComparisonItem, combine, compare
from anlage.critic.critic_report import CriticReport, agreement, cohen_kappa, critic_report
from anlage.critic.verdict import choice_share, read_choice
from anlage.errors import NotSupportedError, OutcomeError, PromptError
from anlage.llm.request import Completion, Outcome, Request, Score
from anlage.llm.scripted import ScriptedModel
from anlage.prompts.labelled import ANY_MODE, LabelledPair
from anlage.prompts.labelled_file import read_labelled_file
from rich.console import Console
from typer.testing import CliRunner

from ..helpers.pairs import make_constitution
from .test_calibrate import Labelled
from .test_compare import ITEM, prefers, shown_as_a

Words = Callable[[Request], str]


def pairs(n: int = 24) -> list[LabelledPair]:
    """Good answers are the longer ones in a quarter of the pairs."""
    found: list[LabelledPair] = []
    for i in range(n):
        good, failing = f"GOOD {i}.", f"BAD {i}."
        longer = " It goes on for a while."
        good, failing = (good + longer, failing) if i % 4 == 0 else (good, failing + longer)
        role = "twin" if i % 2 else "at_risk"
        found.append(Labelled("harmful_compliance", role, f"How {i}?", good, failing))  # type: ignore[arg-type]
    return found


def answers_of(request: Request) -> tuple[str, str]:
    """The answers shown as A and as B."""
    blocks = request.messages[-1].content.split("<<<\n")[2:]
    first, second = (block.split("\n>>>")[0] for block in blocks)
    return first, second


def scoring(choose: Callable[[Request], str], margin: float = 2.0) -> ScriptedModel:
    def score(request: Request, option: str) -> float:
        return margin if option == f" {choose(request)}" else 0.0

    return ScriptedModel(scorer=score, name="judge")


def longest(request: Request) -> str:
    first, second = answers_of(request)
    return "A" if len(first) > len(second) else "B"


def coin(request: Request) -> str:
    """Prefers one answer of each pair whichever is shown first, but not for its content."""
    kept = "GOOD" if random.Random(request.messages[-1].content[20:30]).random() < 0.5 else "BAD"
    return "A" if shown_as_a(request, kept) else "B"


def report(model: ScriptedModel, given: Sequence[LabelledPair] | None = None) -> CriticReport:
    used = pairs() if given is None else given
    judged = asyncio.run(judge_pairs(model, used, make_constitution()))
    return critic_report(model.fingerprint, judged, given=len(used))


def text(found: CriticReport) -> str:
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(critic_report_text(found))
    return console.export_text()


def test_a_perfect_critic() -> None:
    found = report(prefers("GOOD"))
    overall = found.calibration.overall
    assert (overall.correct, overall.decided) == (24, 24)
    assert found.calibration.allows("harmful_compliance", "twin")
    assert found.longer.successes == found.good_is_longer.successes == 6
    p = 1 / (1 + math.exp(-2.0))
    assert [row.n for row in found.bins] == [0, 0, 0, 24, 0]
    assert found.bins[3].confidence == pytest.approx(p)
    assert found.calibration_error == pytest.approx(1 - p)
    assert "no: inverted" not in text(found)
    assert text(found).count("yes") == 2


def test_an_inverted_critic_is_called_inverted_and_never_allowed() -> None:
    found = report(prefers("BAD"))
    assert found.calibration.overall.high < 0.5
    assert not any(found.calibration.allows("harmful_compliance", r) for r in ("at_risk", "twin"))
    shown = text(found)
    assert "the critic is inverted" in shown
    assert shown.count("no: inverted") == 2
    assert "yes" not in shown
    p = 1 / (1 + math.exp(-2.0))
    assert found.calibration_error == pytest.approx(p)  # sure, and always wrong


def test_a_critic_of_position_decides_nothing() -> None:
    found = report(scoring(lambda request: "A"))
    assert found.calibration.overall.decided == 0
    assert found.calibration.overall.shown_first > 0.8
    assert found.longer.n == 0
    assert found.calibration_error == pytest.approx(0.0)  # p is 0.5 and half are right
    assert report(scoring(lambda request: "B")).calibration.overall.shown_first < 0.2
    assert "none of 0 decided pairs" in text(found)


def test_a_critic_of_length_is_seen_through() -> None:
    found = report(scoring(longest))
    assert (found.longer.successes, found.longer.n) == (24, 24)
    assert (found.good_is_longer.successes, found.good_is_longer.n) == (6, 24)
    assert found.calibration.overall.correct == 6  # right where the good one is longer
    shorter = report(scoring(lambda request: "B" if longest(request) == "A" else "A"))
    assert shorter.longer.successes == 0
    assert shorter.calibration.overall.correct == 18


def test_a_coin_labels_nothing() -> None:
    found = report(scoring(coin), pairs(60))
    assert found.calibration.overall.decided == 60
    assert found.calibration.overall.low < 0.5 < found.calibration.overall.high
    assert found.calibration.labels == "construction"
    assert "could not be told from a coin" in found.calibration.reason


def test_calibration_error_by_hand() -> None:
    known = pairs(4)
    ps = (0.95, 0.95, 0.05, 0.65)  # three sure, one of them wrong; one unsure and right
    judged = [(pair, combine(p, 1 - p)) for pair, p in zip(known, ps, strict=True)]
    found = critic_report("x", judged)
    assert [row.n for row in found.bins] == [0, 1, 0, 0, 3]
    assert found.bins[4].accuracy == pytest.approx(2 / 3)
    expected = (3 * abs(2 / 3 - 0.95) + abs(1 - 0.65)) / 4
    assert found.calibration_error == pytest.approx(expected)


def test_pairs_that_no_principle_judges_are_counted_and_foreign_ones_are_judged() -> None:
    foreign = Labelled("sycophancy", "at_risk", "Am I right?", "GOOD.", "BAD.")
    given: list[LabelledPair] = [*pairs(8), foreign, replace(foreign, failure_mode=ANY_MODE)]
    found = report(prefers("GOOD"), given)
    assert (found.calibration.overall.n, found.left_out) == (9, 1)
    assert "1 pairs were left out" in text(found)


class Chat(ScriptedModel):
    """A model that cannot score and answers in words."""

    def __init__(self, say: Words) -> None:
        super().__init__(say, name="chat")

    async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
        raise NotSupportedError("no log-probabilities")


def test_a_chat_critic_compares_in_words_in_both_orders() -> None:
    def good(request: Request) -> str:
        return " A" if shown_as_a(request, "GOOD") else "**B**"

    swapped = ComparisonItem(ITEM.messages, ITEM.question, ITEM.second, ITEM.first)
    straight, other = asyncio.run(compare(Chat(good), [ITEM, swapped]))
    assert (straight.outcome, straight.p_first) == ("first", 1.0)
    assert (other.outcome, other.p_first) == ("second", 0.0)
    (position,) = asyncio.run(compare(Chat(lambda request: " A."), [ITEM]))
    assert (position.outcome, position.p_shown_first) == ("tie", 1.0)
    (silent,) = asyncio.run(compare(Chat(lambda request: "Both are fine."), [ITEM]))
    assert silent.outcome == "abstain"


def test_failed_calls_are_counted_and_too_many_end_it_with_the_reason() -> None:
    def measured(bad: int) -> CriticReport:
        known = pairs(8)
        failing = {pair.good for pair in known[:bad]}

        class Faulty(Chat):
            async def complete(self, requests: Sequence[Request]) -> list[Completion]:
                return [
                    Completion("", finish="error", outcome=Outcome("error", "429 too many"))
                    if failing & set(answers_of(request)) and shown_as_a(request, "GOOD")
                    else Completion(" A" if shown_as_a(request, "GOOD") else " B")
                    for request in requests
                ]

        judged = asyncio.run(judge_pairs(Faulty(lambda _: ""), known, make_constitution()))
        return critic_report("x", judged)

    found = measured(4)  # half of the pairs, one call of each
    assert (found.failed, found.unreadable, found.calibration.overall.correct) == (4, 4, 4)
    assert "The calls of 4 pairs failed" in text(found)
    with pytest.raises(OutcomeError, match=r"5 of 8 labelled pairs failed.*429 too many"):
        measured(5)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (" A", 1.0),
        (" B.", 0.0),
        ("**A**", 1.0),
        ('"B"', 0.0),
        ("The better answer is answer B", 0.0),
        ("Answer A is", None),
        ("A's", None),
        ("An answer", None),
        ("Better: B", 0.0),
        ("AB", None),
        ("", None),
        ("a", None),
    ],
)
def test_a_choice_in_words(said: str, expected: float | None) -> None:
    found = choice_share(read_choice(said))
    assert math.isnan(found) if expected is None else found == expected


def test_kappa_by_hand() -> None:
    # 20 + 15 agreements of 50; expected agreement .5 (Cohen's own kind of example).
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohen_kappa(first, second)
    assert (found.observed, found.n) == (0.7, 50)
    assert found.value == pytest.approx(0.4)
    assert found.interval.low < 0.4 < found.interval.high
    assert 0.1 < found.interval.low < found.interval.high < 0.7
    assert cohen_kappa(first, second) == found  # seeded
    assert cohen_kappa(first, first).value == 1.0
    assert cohen_kappa(first, ["no" if w == "yes" else "yes" for w in first]).value == -1.0
    assert math.isnan(cohen_kappa(["a"], ["a"]).value)
    assert cohen_kappa([], []).n == 0
    assert "not defined" in kappa_text(cohen_kappa(["a"], ["a"]), "x")
    with pytest.raises(ValueError, match="same units"):
        cohen_kappa(["a"], [])


def comparisons(model: ScriptedModel) -> list[AnswerComparison]:
    judged = asyncio.run(judge_pairs(model, pairs(60), make_constitution()))
    return [comparison for _, comparison in judged]


def test_agreement_of_critics_has_a_direction_and_a_chance_level() -> None:
    good, bad = comparisons(prefers("GOOD")), comparisons(prefers("BAD"))
    assert agreement(good, good).value == 1.0
    assert agreement(good, bad).value < -0.9
    against_coin = agreement(good, comparisons(scoring(coin)))
    assert against_coin.interval.low < 0 < against_coin.interval.high
    assert agreement(good, comparisons(scoring(lambda request: "A"))).observed == 0.0


def test_a_file_of_pairs_in_three_forms(tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(
        '{"failure_mode": "sycophancy", "role": "twin", "prompt": "P", "good": "g", '
        '"failing": "f", "id": "1"}\n\n'
        '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, '
        '{"role": "user", "content": "c"}], "good": "g", "failing": "f"}\n'
        '{"prompt": "Q\u2028R", "target_scores": {"wrong": 0, "right": 1}, "canary": "x"}\n'
    )
    one, two, three = read_labelled_file(file)
    assert (one.failure_mode, one.role, one.prompt) == ("sycophancy", "twin", "P")
    assert (two.failure_mode, two.prompt) == (ANY_MODE, "user: a\nassistant: b\nuser: c")
    assert (three.prompt, three.good, three.failing) == ("Q\u2028R", "right", "wrong")


def test_every_wrong_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    wrong = [
        "{",
        "[]",
        '{"promt": "P"}',
        '{"prompt": "P", "good": "same", "failing": " same "}',
        '{"prompt": "P", "good": "g", "failing": "f", "failure_mode": "greed"}',
        '{"prompt": "P", "good": "g", "failing": "f", "role": "both"}',
        '{"prompt": 3, "good": "g", "failing": "f"}',
        '{"prompt": "P", "target_scores": {"a": 1, "b": 1}}',
        '{"prompt": "P", "good": "g", "failing": "f", "failure_mode": []}',
        '{"prompt": "P", "good": "\\ud800", "failing": "f"}',
        "[" * 100_000,
    ]
    file.write_text("\n".join(wrong))
    with pytest.raises(PromptError) as raised:
        read_labelled_file(file)
    assert [problem.line for problem in raised.value.problems] == list(range(1, 12))
    assert "did you mean 'prompt'?" in str(raised.value)
    with pytest.raises(PromptError, match="cannot be read"):
        read_labelled_file(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(PromptError, match="no pair in it"):
        read_labelled_file(tmp_path / "empty.jsonl")


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "critic.json"
    common = ["--limit", "12", "--runs", str(tmp_path)]
    done = CliRunner().invoke(app, ["critic", "calibrate", "scripted", "--out", str(out), *common])
    assert done.exit_code == 0, done.exception
    for part in (
        "Labels are by construction",
        "Position:",
        "Length:",
        "expected calibration error",
    ):
        assert part in done.output
    data = json.loads(out.read_text())
    assert data["calibration"]["overall"]["n"] == 12
    assert len(data["bins"]) == 5
    done = CliRunner().invoke(app, ["critic", "agreement", "scripted", "scripted", *common])
    assert "kappa 1.00" in done.output
    done = CliRunner().invoke(app, ["critic", "calibrate", "scripted", *common])
    assert "0 calls" in done.output  # all of it was stored
