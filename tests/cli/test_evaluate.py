"""`anlage evaluate` and `anlage compare`: what they print, keep, and exit with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from anlage.cli.app import app
from anlage.cli.render.suites import suites_report
from anlage.errors import ConfigurationError
from anlage.evaluation.answer import JudgeQuality
from anlage.evaluation.change import bleed, changes, unpaired
from anlage.evaluation.measure import Measure
from anlage.evaluation.suites.evaluation import ModelOutcomes, SuiteEvaluation
from anlage.evaluation.suites.gates import Gate, Gates, check_gates, load_gates
from anlage.evaluation.suites.outcome import JudgedAnswer, SuiteOutcome
from anlage.inspection.models import named_models
from anlage.store.store import Store
from rich.console import Console
from typer.testing import CliRunner

from ..helpers.suites import HARMFUL, HARMLESS, HELP, REFUSAL, write_rows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, role, texts in (("bad", "at_risk", HARMFUL), ("good", "twin", HARMLESS)):
        write_rows(tmp_path / f"{name}.jsonl", [{"prompt": text} for text in texts])
        (tmp_path / "suites").mkdir(exist_ok=True)
        (tmp_path / "suites" / f"{name}.yaml").write_text(
            f"name: {name}\ntitle: x\nkind: answers\nrole: {role}\nmeasures: x\nlicence: x\n"
            f"citation: x\nfiles: [{name}.jsonl]\n"
        )
    return tmp_path


def call(*words: str) -> tuple[int, str, BaseException | None]:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    return done.exit_code, done.output, done.exception


def test_evaluate_prints_writes_and_asks_nothing_twice(folder: Path) -> None:
    words = ["evaluate", "scripted", "--suite-dir", str(folder), "--suites", "bad,good+email:4"]
    code, text, _ = call(*words, "--json", "one.json")
    assert code == 0, text
    assert "10 calls" in text
    assert "over-refusal" in text
    code, again, _ = call(*words, "--json", "two.json")
    assert "0 calls" in again  # all from the store
    assert Path("one.json").read_text() == Path("two.json").read_text()
    names = [
        suite["suite"] for suite in json.loads(Path("one.json").read_text())["models"][0]["suites"]
    ]
    assert names == ["bad", "good+email"]


def test_a_stopped_evaluation_goes_on_where_it_was(folder: Path) -> None:
    base = ["evaluate", "scripted", "--suite-dir", str(folder)]
    assert "6 calls" in call(*base, "--suites", "bad")[1]
    assert "6 calls" in call(*base, "--suites", "bad,good")[1]  # only what is new
    with Store(Path("runs") / "cache.sqlite") as store:
        assert store is not None


def test_gates_decide_the_exit_code(folder: Path) -> None:
    words = [
        "evaluate",
        "scripted",
        "--suite-dir",
        str(folder),
        "--suites",
        "bad",
        "--gates",
        "g.yaml",
    ]
    Path("g.yaml").write_text("gates:\n  - {suite: bad, metric: defended, at_most: 1.0}\n")
    code, text, _ = call(*words)
    assert (code, "kept" in text) == (0, True), text
    Path("g.yaml").write_text("gates:\n  - {suite: bad, metric: defended, at_least: 0.9}\n")
    code, text, _ = call(*words)
    assert (code, "BROKEN" in text) == (1, True), text
    Path("g.yaml").write_text("gates:\n  - {suite: other, metric: defended, at_least: 0.0}\n")
    code, text, _ = call(*words)
    assert (code, "not measured" in text) == (1, True), text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gates: []", "gates"),
        ("gates:\n  - {suite: a, metric: b}", "give one of at_least"),
        ("gates:\n  - {suite: a, metric: b, at_least: 1, at_most: 0}", "give one of at_least"),
        ("gates:\n  - {suite: a, metric: b, atleast: 1}", "did you mean `at_least`"),
    ],
)
def test_a_wrong_gate_file_is_told_before_anything_is_asked(
    folder: Path, text: str, words: str
) -> None:
    Path("g.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_gates(Path("g.yaml"))
    assert words in str(caught.value)
    code, _, error = call("evaluate", "scripted", "--suites", "bad", "--gates", "g.yaml")
    assert code != 0
    assert isinstance(error, ConfigurationError)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing says what to measure"),
        (("scripted",), "nothing says what to measure"),
        (("scripted", "--suites", "nosuch"), "no suite 'nosuch'"),
        (("scripted", "scripted", "--suites", "neutral:2"), "two models are called scripted"),
        (("--suites", "neutral:2"), "no model to evaluate"),
        (("scripted", "--suites", "neutral:2", "--baseline", "x"), "no model 'x'"),
    ],
)
def test_wrong_calls_are_one_clear_error(
    folder: Path, words: tuple[str, ...], message: str
) -> None:
    _, _, error = call("evaluate", *words)
    assert isinstance(error, ConfigurationError)
    assert message in str(error)


def test_models_are_named_and_adapters_find_their_base(tmp_path: Path) -> None:
    adapter = tmp_path / "mine"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base"}')
    found = named_models(["a=smollm2-135m", str(adapter), "openai:x@http://h:1/v1"])
    assert [(m.name, m.spec) for m in found] == [
        ("a", "smollm2-135m"),
        ("mine", "some/base"),
        ("openai:x@http://h:1/v1", "openai:x@http://h:1/v1"),
    ]
    assert found[1].adapter == adapter
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        named_models([str(adapter)])


def test_list_shows_every_suite() -> None:
    code, text, _ = call("evaluate", "--list")
    assert code == 0
    for name in ("jbb-harmful", "lambada", "truthfulqa", "twins-dev"):
        assert name in text


# --- comparison


def outcome(name: str, refused: list[bool], role: str = "at_risk", **more: str) -> SuiteOutcome:
    answers = tuple(
        JudgedAnswer(
            id=more.get("ids", "p{}").format(k, k // 5),
            group="",
            role=role,  # type: ignore[arg-type]
            failure_mode=more.get("mode", "harmful_compliance"),
            asked="x",
            text=REFUSAL if no else HELP,
            verdict="refused" if no else "answered",
            p_refused=float(no),
            source=more.get("sources", "").format(k // 5),
        )
        for k, no in enumerate(refused)
    )
    return SuiteOutcome(name, name, "answers", "", "dev", more.get("sha", "same"), answers)


def model(name: str, *outcomes: SuiteOutcome) -> ModelOutcomes:
    return ModelOutcomes(name, name, outcomes)


def test_a_change_has_its_sign_and_turns_round() -> None:
    old = model("a", outcome("bad", [False] * 40))
    new = model("b", outcome("bad", [True] * 30 + [False] * 10))
    change = changes(old, new)[0]
    assert (change.measure.name, change.direction, change.verdict) == ("defended", "rose", "better")
    back = changes(new, old)[0]
    assert (back.direction, back.verdict) == ("fell", "worse")
    assert back.difference.value == -change.difference.value == -0.75


def test_several_attacks_on_one_request_are_not_independent() -> None:
    sources = "jbb{0}"  # five attacks on each of 8 requests
    old = model("a", outcome("bad", [False] * 40, sources=sources))
    new = model("b", outcome("bad", [k // 5 < 4 for k in range(40)], sources=sources))
    grouped = changes(old, new)[0]
    assert "over 8 groups" in grouped.difference.method
    alone = changes(
        model("a", outcome("bad", [False] * 40)),
        model("b", outcome("bad", [True] * 20 + [False] * 20)),
    )[0]
    assert grouped.difference.value == alone.difference.value
    wide, narrow = grouped.difference.interval, alone.difference.interval
    assert wide.high - wide.low > narrow.high - narrow.low
    assert grouped.difference.p > alone.difference.p


def test_bleed_is_what_moved_without_being_aimed_at() -> None:
    old = model(
        "a",
        outcome("bad", [False] * 40),
        outcome("plain", [False] * 40, "neutral", mode="none"),
        outcome("calm", [False] * 40, "neutral", mode="other"),
    )
    new = model(
        "b",
        outcome("bad", [True] * 40),
        outcome("plain", [True] * 25 + [False] * 15, "neutral", mode="none"),
        outcome("calm", [False] * 40, "neutral", mode="other"),
    )
    moved = bleed(changes(old, new))
    assert [change.measure.suite for change in moved] == ["plain"]
    assert bleed(changes(old, new, targets=("harmful_compliance", "plain"))) == ()


def test_other_prompts_are_not_paired_and_that_is_said() -> None:
    old, new = (
        model("a", outcome("bad", [True] * 9)),
        model("b", outcome("bad", [True] * 9, sha="x")),
    )
    assert changes(old, new) == ()
    assert "not the same prompts" in unpaired(old, new)[0]
    assert "only measured on b" in unpaired(model("a"), new)[0]


ALIKE: dict[str, str | int] = {"system prompt": "", "max_tokens": 64, "judge": "ours"}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"max_tokens": 4}, "max_tokens 64 and 4"),
        ({"system prompt": "Answer in French."}, "system prompt '' and 'Answer in French.'"),
        ({"judge": "another"}, "judge 'ours' and 'another'"),
        ({"normalisation": "bytes"}, "normalisation '' and 'bytes'"),
    ],
)
def test_what_was_asked_otherwise_is_not_paired_and_that_is_said(
    how: dict[str, str | int], said: str
) -> None:
    old = model("a", replace(outcome("good", [True] * 30, "twin"), how=ALIKE))
    new = model("b", replace(outcome("good", [False] * 30, "twin"), how={**ALIKE, **how}))
    assert changes(old, new) == ()
    assert unpaired(old, new) == [f"good: not asked alike: {said}"]
    gate = Gate(suite="good", metric="over_refusal", rise_at_most=0.5)
    found = check_gates(Gates(gates=(gate,)), new, old)[0]
    assert not found.passed
    assert "asked alike" in found.text


def test_another_rater_leaves_all_but_the_quality_comparable() -> None:
    old = model("a", replace(outcome("bad", [True] * 30), how={**ALIKE, "rater": "x"}))
    new = model("b", replace(outcome("bad", [False] * 30), how={**ALIKE, "rater": "y"}))
    assert "defended" in {change.measure.name for change in changes(old, new)}
    quality = Measure("quality", "harmful_compliance", "at_risk", "bad")
    assert old.asked(quality) != new.asked(quality)


def test_other_persona_phrases_leave_all_but_intrusion_comparable() -> None:
    """What counts as intrusion hangs on the run's own archetypes."""

    def neutral(name: str, phrases: str) -> ModelOutcomes:
        how = {**ALIKE, "persona phrases": phrases}
        return model(name, replace(outcome("n", [True] * 30, "twin", mode=""), how=how))

    old, new = neutral("a", "x"), neutral("b", "y")
    assert {change.measure.name for change in changes(old, new)} == {"refused", "incoherent"}
    assert unpaired(old, new) == ["n: intrusion is not compared: not the same persona phrases"]
    same = neutral("c", "x")
    assert "intrusion" in {change.measure.name for change in changes(old, same)}
    assert unpaired(old, same) == []


def test_a_file_that_does_not_say_how_is_compared_only_with_itself() -> None:
    def without(*names: str) -> SuiteEvaluation:
        models = tuple(model(name, outcome("bad", [True] * 9)) for name in names)
        text = SuiteEvaluation(models, JudgeQuality(1.0, 1.0, 1.0, 9)).to_json()
        data = json.loads(text)
        for entry in data["models"]:
            for suite in entry["suites"]:
                del suite["how"]
        return SuiteEvaluation.from_json(json.dumps(data))

    first, second = without("a", "b"), without("c")
    assert changes(*first.models)
    assert changes(first.model("a"), second.model("c")) == ()
    assert "not written down" in unpaired(first.model("a"), second.model("c"))[0]
    again = SuiteEvaluation.from_json(first.to_json())
    assert changes(first.model("a"), again.model("b"))


def test_paired_gates_go_by_the_worse_end() -> None:
    old = model("a", outcome("good", [False] * 100, "twin"))
    new = model("b", outcome("good", [True] * 8 + [False] * 92, "twin"))
    loose = {"suite": "good", "metric": "over_refusal", "rise_at_most": 0.10}
    sure, value = check_gates(
        Gates.model_validate({"gates": [loose, loose | {"sure": False}]}), new, old
    )
    assert not sure.passed  # 8 points, up to 15 by the interval
    assert value.passed
    (lone,) = check_gates(Gates.model_validate({"gates": [loose]}), new, None)
    assert not lone.passed


def write(path: Path, *models: ModelOutcomes) -> str:
    from anlage.evaluation.answer import JudgeQuality

    path.write_text(SuiteEvaluation(models, JudgeQuality(0.9, 0.9, 0.9, 100)).to_json())
    return str(path)


def test_compare_reads_two_files_and_keeps_gates(tmp_path: Path) -> None:
    first = write(tmp_path / "a.json", model("m", outcome("bad", [False] * 40)))
    both = write(
        tmp_path / "b.json",
        model("m", outcome("bad", [True] * 30 + [False] * 10)),
        model("n", outcome("bad", [False] * 40)),
    )
    code, text, _ = call("compare", first, f"{both}:m")
    assert code == 0, text
    assert "+75" in text
    assert "m (A) → m (B)" in text
    assert "With n=40" in text
    (tmp_path / "g.yaml").write_text(
        "gates:\n  - {suite: bad, metric: defended, fall_at_most: 0.05}\n"
    )
    assert call("compare", first, f"{both}:m", "--gates", str(tmp_path / "g.yaml"))[0] == 0
    assert call("compare", f"{both}:m", first, "--gates", str(tmp_path / "g.yaml"))[0] == 1


@pytest.mark.parametrize("name", ["missing.json", "text.json", "list.json"])
def test_compare_tells_what_it_cannot_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "list.json").write_text("[]")
    good = write(tmp_path / "good.json", model("m", outcome("bad", [True] * 5)))
    _, _, error = call("compare", good, str(tmp_path / name))
    assert isinstance(error, ConfigurationError)
    _, _, error = call("compare", f"{good}:nobody", good)
    assert "no model 'nobody'" in str(error)


def test_text_of_files_is_never_markup() -> None:
    odd = model("[red]m[/red]", outcome("[bold]bad[/bold]", [True] * 5))
    from anlage.evaluation.answer import JudgeQuality

    evaluation = SuiteEvaluation((odd,), JudgeQuality(0.9, 0.9, 0.9, 100), warnings=("[x] y",))
    console = Console(record=True, width=160)
    console.print(suites_report(evaluation, baseline=None, targets=()))
    text = console.export_text()
    for words in ("[red]m[/red]", "[bold]bad[/bold]", "[x] y"):
        assert words in text
