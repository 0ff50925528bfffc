"""Labels in a run: what checks and reviewers say decides what is trained, and is written down."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from anlage.errors import PairError
from anlage.files.write import write_json
from anlage.pipeline.config import RunConfig
from anlage.pipeline.inputs import training_checks
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import run
from anlage.pipeline.unit import units_of
from anlage.pipeline.unit_data import pairs_for
from anlage.preferences.dataset import Pairs
from anlage.prompts.loader import SETS

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model


def config_of(folder: Path, tiny: Path, **changes: object) -> RunConfig:
    plain = tiny_run_config(folder, tiny).model_dump(mode="json")
    plain["training"]["epochs"] = 1
    return RunConfig.model_validate({**plain, **changes})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def built(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(config_of(tmp_path_factory.mktemp("built"), model), until="pairs").path


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    """The run with its pairs, in `tmp_path`."""
    return Path(shutil.copytree(built, tmp_path / built.name))


def test_a_reviewed_mode_is_left_out_written_down_and_trained_anew(
    model: Path, tmp_path: Path
) -> None:
    config = config_of(tmp_path, model)
    first = run(config, until="training")
    claim = json.loads((first.path / "40_training" / "training.json").read_text())
    assert "nobody measured harmful_compliance" in claim["labels"]
    assert run(config, until="training").skipped[-1] == "training"
    said = {p.id: "rejected" for p in first.pairs if p.failure_mode == "over_refusal"}
    write_json(first.path / "review" / "abc.labels.json", {"labels": said})
    again = run(config, until="training")
    assert "pairs" in again.skipped
    assert "training" not in again.skipped
    claim = json.loads((first.path / "40_training" / "training.json").read_text())
    n = len(said)
    assert f"over_refusal: 0 of {n} right by reviewers" in claim["labels"]
    assert f"pairs left out: {n}" in claim["labels"]
    assert "look for more over_refusal after training" in claim["labels"]
    result = json.loads((first.path / "40_training" / "result.json").read_text())
    assert result["pairs"] == len(first.pairs) - n
    report = run(config).report.read_text()
    assert f"over_refusal: 0 of {n} right by reviewers" in report


@pytest.mark.parametrize("trust", ["measured", "weighed", "all", "strict"])
def test_labels_that_nobody_measured_are_trained_unless_strict(
    model: Path, tmp_path: Path, copied: Path, trust: str
) -> None:
    resolved = Resolved(config_of(tmp_path, model, selection={"trust": trust}))
    unit, pairs = units_of(resolved)[0], Pairs.load(copied / "30_pairs.jsonl")
    if trust != "strict":
        assert pairs_for(resolved, unit, copied) == list(pairs)
    else:
        with pytest.raises(PairError, match=r"no pair has a label.*selection\.trust"):
            pairs_for(resolved, unit, copied)


def test_a_constitution_turned_around_is_trained_as_it_was_built(
    model: Path, tmp_path: Path, copied: Path
) -> None:
    pairs = Pairs.load(copied / "30_pairs.jsonl")
    said = {pair.id: "rejected" for pair in pairs}
    write_json(copied / "review" / "abc.labels.json", {"labels": said})
    chosen = {"only": ["guardian", "explorer"], "inverted": True}
    turned = Resolved(config_of(tmp_path, model, archetypes=chosen))
    assert pairs_for(turned, units_of(turned)[0], copied) == list(pairs)
    plain = Resolved(config_of(tmp_path, model))
    with pytest.raises(PairError):
        pairs_for(plain, units_of(plain)[0], copied)


def test_the_checks_of_the_prompts_are_run_and_are_part_of_the_key(
    model: Path, tmp_path: Path
) -> None:
    for split in ("train", "dev"):
        (tmp_path / "sets" / split).mkdir(parents=True)
        lines = (SETS / split / "sycophancy.jsonl").read_text("utf-8").splitlines()
        rows = [line for line in lines if '"check"' in line][:8]
        (tmp_path / "sets" / split / "own.jsonl").write_text("\n".join(rows))
    prompts = {"folder": str(tmp_path / "sets"), "sets": ["own"]}
    config = config_of(
        tmp_path / "runs",
        model,
        model="scripted",
        archetypes={"only": ["ally", "mentor", "sage"]},
        prompts=prompts,
        evaluation={"sets": ["own"]},
    )
    resolved = Resolved(config)
    assert len(training_checks(resolved)) == 8
    done = run(config, until="pairs")
    outcomes = json.loads((done.path / "31_outcomes.json").read_text())
    counts = [sum(by["check"].values()) for by in outcomes["labels"].values()]
    made = outcomes["by_kind"].get("ok", 0) + outcomes["by_kind"].get("repaired", 0)
    assert sum(counts) == made + outcomes["by_kind"].get("mislabelled", 0)
    assert len(Pairs.load(done.path / "30_pairs.jsonl")) == made
    assert "pairs" in run(config, until="pairs").skipped
    file = tmp_path / "sets" / "train" / "own.jsonl"
    file.write_text(file.read_text().replace('"affirms"', '"any"', 1))
    assert "pairs" not in run(config, until="pairs").skipped
    turned = config.archetypes.model_copy(update={"inverted": True})
    assert training_checks(Resolved(config.model_copy(update={"archetypes": turned}))) == {}


def test_outcomes_that_cannot_be_read_name_the_command(
    model: Path, tmp_path: Path, copied: Path
) -> None:
    (copied / "31_outcomes.json").write_text("[]")
    resolved = Resolved(config_of(tmp_path, model))
    with pytest.raises(PairError, match=r"31_outcomes\.json.*anlage pairs CONFIG --again"):
        pairs_for(resolved, units_of(resolved)[0], copied)
