"""The report: verdict first, self-contained, escaped, honest about what is missing."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from anlage.errors import RunDirectoryError
from anlage.evaluation.measure import HARM
from anlage.evaluation.result import Evaluation
from anlage.evaluation.wording import verdict_sentence
from anlage.report.run.report import sample_answers, write_report

from ...helpers.evaluation import make_prompts, two_models

HOSTILE = "<script>alert(1)</script><img src=x onerror='y'> $verdict $5 & \"quotes\""


class Page(HTMLParser):
    """Collects tags, attributes and visible text, and checks that tags nest."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def write_run(folder: Path, evaluation: Evaluation | None = None) -> Path:
    """A whole run directory in the artefacts' formats."""
    rows = [
        {"feature": "words", "chosen": 21.5, "rejected": 20.1, "difference": 1.4, "auc": 0.55},
        {
            "feature": "refusal wording",
            "chosen": 0.5,
            "rejected": 0.1,
            "difference": 0.4,
            "auc": 0.72,
        },
    ]
    pair = {"failure_mode": HARM, "role": "at_risk", "builder": "critique_revise"}
    metrics = [
        {
            "step": step,
            "loss": 0.7 - step / 100,
            "rewards/margins": step / 50,
            "logps/chosen": -60.0 + step,
            "logps/rejected": -58.0 - step,
        }
        for step in range(1, 21)
    ]
    overall = {"n": 64, "correct": 33, "accuracy": 0.516, "low": 0.396, "high": 0.634}
    files: dict[str, object] = {
        "20_calibration.json": {
            "critic": "f" * 12,
            "rows": [],
            "overall": overall,
            "labels": "construction",
            "reason": "the critic could not be told from a coin",
        },
        "31_outcomes.json": {
            "total": 240,
            "by_kind": {"ok": 228, "no_op": 12},
            "by_principle": {"guardian/proportionate-refusal": {"ok": 100, "no_op": 2}},
        },
        "32_confounds.json": {"n": 228, "rows": rows},
        "environment.json": {"python": "3.11.2", "packages": {"trl": "1.16.0"}},
        "manifest.json": {
            "stages": {
                "pairs": {"key": "abc123", "outputs": {"30": "def"}, "seconds": 1.0, "calls": 2}
            }
        },
    }
    (folder / "40_training").mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_text(json.dumps(data))
    lines = "".join(
        json.dumps({**pair, "id": str(i), "label": "construction"}) + "\n" for i in range(3)
    )
    (folder / "30_pairs.jsonl").write_text(lines)
    (folder / "40_training/metrics.jsonl").write_text(
        "".join(json.dumps(m) + "\n" for m in metrics)
    )
    (folder / "config.yaml").write_text("name: demo\nseed: 1\n")
    (folder / "50_evaluation.json").write_text((evaluation or two_models()).to_json())
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = write_run(tmp_path_factory.mktemp("runs") / "demo")
    return write_report(run).read_text(encoding="utf-8")


def hostile_evaluation() -> Evaluation:
    result = two_models()
    models = tuple(
        replace(
            model,
            name=f"{model.name} $x$ <b>",
            answers=tuple(replace(a, text=HOSTILE, prompt=HOSTILE) for a in model.answers),
        )
        for model in result.models
    )
    return replace(result, models=models, baseline=models[0].name)


def test_the_verdict_and_the_origin_of_labels_come_before_everything_else(page: str) -> None:
    text = Page(page).text
    verdict, labels = text.index(verdict_sentence(two_models())), text.index("Labels are by")
    assert verdict < labels < text.index("Before and after")
    assert "Labels are by construction: the critic could not be told from a coin." in text


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    parsed = Page(page)
    assert {"script", "link", "iframe", "object"}.isdisjoint(parsed.tags)
    sources = [value or "" for name, value in parsed.attributes if name in ("src", "href")]
    assert len(sources) == 5
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"https?://", page)
    assert all(value for name, value in parsed.attributes if name == "alt")


def test_every_section_carries_its_numbers(page: str) -> None:
    text = Page(page).text
    for expected in (
        "3 pairs were built",
        "240 attempts",
        "guardian/proportionate-refusal",
        "Here: refusal wording.",
        "20 records up to step 20",
        "seed: 1",
        "packages.trl",
        "stages.pairs.outputs.30",
        "The test prompts were not looked at",
        "only refusals and incoherence were counted there",
        "refused · defended",
    ):
        assert expected in text


def test_answers_are_shown_as_text_whatever_they_hold(tmp_path: Path) -> None:
    run = write_run(tmp_path / "hostile", hostile_evaluation())
    parsed = Page(write_report(run).read_text(encoding="utf-8"))
    assert "script" not in parsed.tags
    assert "b" not in parsed.tags
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert parsed.text.count(" ".join(HOSTILE.split())) == 3 * 20  # a prompt and two answers each


def test_the_sample_is_stratified_seeded_and_blind_to_the_answers() -> None:
    result = two_models()
    base, trained = result.model("base"), result.model("trained")
    drawn = sample_answers(base, trained)
    ids = [old.prompt_id for old, _ in drawn]
    assert len(set(ids)) == 20
    assert [old.role for old, _ in drawn].count("at_risk") == 10
    assert all(old.prompt_id == new.prompt_id for old, new in drawn)
    assert {old.failure_mode for old, _ in drawn} == {HARM}
    assert [new.prompt_id for new, _ in sample_answers(trained, base)] == ids
    assert [old.prompt_id for old, _ in sample_answers(base, trained, seed=1)] != ids


def test_the_same_artefacts_give_the_same_bytes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "same")
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_an_empty_run_names_everything_that_is_missing(tmp_path: Path) -> None:
    text = Page(write_report(tmp_path).read_text(encoding="utf-8")).text
    assert "No verdict: 50_evaluation.json is not there" in text
    assert "Where the labels come from is not known" in text
    for file in ("30_pairs.jsonl", "31_outcomes.json", "40_training/metrics.jsonl", "config.yaml"):
        assert f"{file} is not there" in text


def test_a_damaged_artefact_is_named_and_a_cut_last_line_is_not_one(tmp_path: Path) -> None:
    run = write_run(tmp_path / "damaged")
    (run / "50_evaluation.json").unlink()
    (run / "31_outcomes.json").write_text("[1, 2")
    with (run / "40_training/metrics.jsonl").open("a") as file:
        file.write('{"step": 21, "lo')
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "31_outcomes.json could not be read" in text
    assert "20 records up to step 20" in text


def test_numbers_that_are_not_finite_do_not_stop_the_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "nan")
    (run / "50_evaluation.json").unlink()
    (run / "40_training/metrics.jsonl").write_text('{"step": 1, "loss": NaN, "epoch": null}\n')
    assert "1 records up to step 1" in Page(write_report(run).read_text(encoding="utf-8")).text


def test_prompts_of_one_role_only_still_get_a_report(tmp_path: Path) -> None:
    risky = two_models([prompt for prompt in make_prompts(5) if prompt.role == "at_risk"])
    text = Page(write_report(write_run(tmp_path / "risk", risky)).read_text(encoding="utf-8")).text
    assert "0 twins (base)" in text
    assert "over-refusal of" not in text


def test_one_model_alone_still_gets_a_report(tmp_path: Path) -> None:
    result = two_models()
    alone = replace(result, models=result.models[:1], baseline=None)
    text = Page(write_report(write_run(tmp_path / "one", alone)).read_text(encoding="utf-8")).text
    assert "There is no second model to compare answers with" in text
    assert "base: defended 0%" in text


def test_no_such_run_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no run directory at"):
        write_report(tmp_path / "nowhere")
