"""The whole pipeline on a tiny real model: artefacts, skipping, refusal, kill and resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from anlage.archetypes.loader import LIBRARY
from anlage.errors import ConfigurationError, RunDirectoryError
from anlage.inspection.trace import trace
from anlage.pipeline.config import ArchetypeChoice, RunConfig, resolved_text
from anlage.pipeline.run import Run, run
from anlage.pipeline.run_directory import RunDirectory, locked
from anlage.store.store import Store

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model

ARTEFACTS = (
    "config.yaml",
    "environment.json",
    "10_constitution.yaml",
    "20_calibration.json",
    "30_pairs.jsonl",
    "31_outcomes.json",
    "32_confounds.json",
    "40_training/adapter/adapter_model.safetensors",
    "40_training/metrics.jsonl",
    "50_evaluation.json",
    "60_report.html",
    "manifest.json",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Run]:
    config = tiny_run_config(tmp_path_factory.mktemp("runs"), model)
    return config, run(config)


def test_every_stage_leaves_its_artefact(finished: tuple[RunConfig, Run]) -> None:
    _, done = finished
    missing = [name for name in ARTEFACTS if not (done.path / name).is_file()]
    assert missing == []
    status = json.loads((done.path / "manifest.json").read_text())["status"]
    assert status["state"] == "finished"
    assert done.calls > 0


def test_a_second_run_repeats_nothing(finished: tuple[RunConfig, Run]) -> None:
    config, done = finished
    before = (done.path / "60_report.html").read_bytes()
    second = run(config)
    assert second.calls == 0
    assert len(second.skipped) == 6
    assert (done.path / "60_report.html").read_bytes() == before


def test_only_what_changed_runs_again(finished: tuple[RunConfig, Run]) -> None:
    config, done = finished
    (done.path / "50_evaluation.json").write_text("{}")  # as if damaged by hand
    second = run(config)
    assert set(second.skipped) == {"constitution", "calibration", "pairs", "training", "report"}
    assert second.calls == 0  # the store still has every answer


def test_after_an_archetype_was_edited_the_same_command_trains_anew(
    model: Path, tmp_path: Path
) -> None:
    archetypes = tmp_path / "archetypes"
    archetypes.mkdir()
    for name in ("guardian", "explorer"):
        shutil.copy(LIBRARY / f"{name}.yaml", archetypes)
    config = tiny_run_config(tmp_path / "runs", model)
    config = config.model_copy(update={"archetypes": ArchetypeChoice(path=str(archetypes))})
    first = run(config, until="training")
    before = (first.path / "30_pairs.jsonl").read_bytes()
    file = archetypes / "guardian.yaml"
    file.write_text(file.read_text().replace("I won't", "I will not"))
    again = run(config, until="training")
    assert "training" not in again.skipped
    assert (again.path / "30_pairs.jsonl").read_bytes() != before
    assert (again.path / "40_training" / "adapter").is_dir()
    assert (again.path / "40_training.old" / "adapter").is_dir()
    file.write_text(file.read_text().replace("I will not", "I won't"))
    run(config, until="training")
    assert (again.path / "40_training.old2" / "adapter").is_dir()  # nothing trained is lost


def test_the_resolved_config_runs_again(finished: tuple[RunConfig, Run]) -> None:
    _, done = finished
    assert run(done.path / "config.yaml").calls == 0


def test_another_config_is_refused_and_nothing_is_touched(
    finished: tuple[RunConfig, Run],
) -> None:
    config, done = finished
    before = {path: path.read_bytes() for path in done.path.iterdir() if path.is_file()}
    evaluation = config.evaluation.model_copy(update={"max_tokens": 9})
    other = config.model_copy(update={"evaluation": evaluation})
    with pytest.raises(RunDirectoryError, match=r"evaluation.max_tokens \(8 there, 9 here\)"):
        run(other)
    assert before == {path: path.read_bytes() for path in done.path.iterdir() if path.is_file()}


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, model: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "thesis.txt").write_text("mine")
    with pytest.raises(RunDirectoryError, match="not a run"):
        run(tiny_run_config(tmp_path, model))
    assert os.listdir(tmp_path / "tiny") == ["thesis.txt"]


def test_two_processes_cannot_share_a_run(finished: tuple[RunConfig, Run]) -> None:
    config, done = finished
    with locked(RunDirectory(done.path)), pytest.raises(RunDirectoryError, match="in use"):
        run(config)


def test_unknown_stage_is_refused(finished: tuple[RunConfig, Run]) -> None:
    with pytest.raises(ConfigurationError, match="no stage 'trianing'"):
        run(finished[0], until="trianing")


def test_every_pair_traces_to_the_line_of_its_principle(finished: tuple[RunConfig, Run]) -> None:
    directory = RunDirectory(finished[1].path)
    for pair in finished[1].pairs:
        found = trace(directory, pair.id)
        assert found.pair == pair
        assert {call.step for call in found.calls} >= {"draft"}
        assert all(call.completion is not None for call in found.calls)
        for traced in found.principles:
            slug = traced.principle.id.split("/")[1]
            assert traced.file.name == f"{traced.principle.archetype}.yaml"
            assert traced.text == f"- id: {slug}"


def test_draft_and_revision_in_the_store_are_the_sides_of_the_pair(
    finished: tuple[RunConfig, Run],
) -> None:
    """Orientation, end to end: what the store says was drafted is what was rejected."""
    directory = RunDirectory(finished[1].path)
    for pair in finished[1].pairs:
        calls = {call.step: call for call in trace(directory, pair.id).calls}
        drafted, revised = calls["draft"].completion, calls["revision"].completion
        assert drafted is not None
        assert revised is not None
        assert _beginning(drafted.text) in _plain(pair.rejected)
        assert _beginning(revised.text) in _plain(pair.chosen)


def _plain(text: str) -> str:
    return "".join(text.split())


def _beginning(text: str) -> str:
    return _plain(text)[:4]  # later characters may be trimmed or lost as control characters


CHILD = "import sys; from anlage.pipeline.run import run; run(sys.argv[1])"


def kill_when(config_file: Path, ready: Callable[[], bool]) -> None:
    """Starts the run in a process of its own and kills it with SIGKILL once `ready`."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(config_file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not ready():
        assert child.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()


def stored(path: Path) -> int:
    if not path.exists():
        return 0
    with Store(path) as store:
        return store.count("call") + store.count("score")


def test_killed_in_every_stage_it_resumes_to_the_same_bytes(
    finished: tuple[RunConfig, Run], tmp_path: Path, model: Path
) -> None:
    _, whole = finished
    config = tiny_run_config(tmp_path / "runs", model)
    file = tmp_path / "config.yaml"
    file.write_text(resolved_text(config))
    cache = tmp_path / "runs" / "cache.sqlite"
    folder = tmp_path / "runs" / "tiny"
    assert config.calibration.limit is not None
    scores = 2 * config.calibration.limit  # the calibration's: each pair in both orders
    with Store(whole.path.parent / "cache.sqlite") as store:
        total = store.count("call") + store.count("score")

    kill_when(file, lambda: stored(cache) >= 8)  # calibration
    assert not (folder / "20_calibration.json").exists()
    kill_when(file, lambda: stored(cache) > scores)  # pairs
    kill_when(file, lambda: any((folder / "40_training").glob("checkpoints/*/*")))  # training
    after_pairs = stored(cache)
    kill_when(file, lambda: stored(cache) > after_pairs)  # evaluation
    before = stored(cache)
    done = run(config)

    assert done.calls == total - before  # nothing stored was asked again
    for name in ("30_pairs.jsonl", "40_training/adapter/adapter_model.safetensors"):
        assert (done.path / name).read_bytes() == (whole.path / name).read_bytes(), name
