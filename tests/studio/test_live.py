"""A run is followed by its files, whatever state they are in, and it outlives the studio."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anlage.pipeline.run_directory import RunDirectory
from anlage.studio.live import curves, is_at_work, log_of, start, state_of, stop

from ..helpers.studio import HOSTILE, client, make_folder


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return make_folder(tmp_path)


@contextmanager
def held(run: RunDirectory) -> Iterator[None]:
    with (run.path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_the_lock_says_whether_it_is_at_work(run: RunDirectory, tmp_path: Path) -> None:
    run.manifest.set_status("running", "pairs")
    assert not is_at_work(run.path)
    assert "ended without a word" in client(tmp_path).get("/").text
    with held(run):
        assert is_at_work(run.path)
        assert "Stop it" in client(tmp_path).get("/runs/one/live").text
    assert not stop(run.path)


@pytest.mark.parametrize("content", ["", "{", '{"stages": 1}', "null", '{"stages": {"x": {}}}'])
def test_a_half_written_manifest_is_shown_not_fatal(run: RunDirectory, content: str) -> None:
    state = {"name": "one"}
    (run.path / "manifest.json").write_text(content)
    try:
        state = state_of(run.path)
    except TypeError as error:  # pragma: no cover
        pytest.fail(str(error))
    assert state["problem"]


def test_half_a_line_is_left_out(run: RunDirectory, tmp_path: Path) -> None:
    rows = [{"step": n, "loss": 1.0 / n, "rewards/margins": float("nan")} for n in (1, 2, 3)]
    run.training.mkdir()
    (run.training / "metrics.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows) + '{"step": 4, "lo'
    )
    (run.training / "conditions.jsonl").write_text('{"step": 2, "message": "x"}\n{"st')
    log_of(run.path).write_text(f"constitution 0.2 s {HOSTILE}\n")
    page = client(tmp_path).get("/runs/one/live").text
    assert "1 → 0.333, 3 steps" in page
    assert HOSTILE not in page
    assert [curve.name for curve in curves(rows)] == ["loss"]


def test_events_end_when_nobody_is_at_work(run: RunDirectory, tmp_path: Path) -> None:
    text = client(tmp_path).get("/runs/one/events").text
    assert text.count("event: state") == 1
    assert text.rstrip().endswith("event: end\ndata: {}")
    assert "Stages" in json.loads(text.split("data: ")[1].split("\n\n")[0])


def test_a_run_that_cannot_start_says_so(tmp_path: Path) -> None:
    make_folder(tmp_path)
    config = tmp_path / "broken.yaml"
    config.write_text("name: broken\nmodel: /no/such/model\n")
    start(config, tmp_path / "runs" / "broken", tmp_path)
    log = tmp_path / "runs" / "broken.log"
    for _ in range(600):
        if "no/such/model" in log.read_text():
            break
        time.sleep(0.1)
    assert "no/such/model" in log.read_text()
    assert "no/such/model" in client(tmp_path).get("/started/broken").text


@pytest.mark.slow
def test_a_run_is_started_stopped_and_can_go_on(tmp_path: Path) -> None:
    make_folder(tmp_path)
    browser = client(tmp_path)
    answer = browser.post("/start", data={"config": "small.yaml"})
    assert answer.status_code == 200
    folder = tmp_path / "runs" / "small"
    for _ in range(1200):
        if is_at_work(folder) and (folder / "manifest.json").exists():
            break
        time.sleep(0.1)
    pid = int((folder / ".lock").read_text())
    assert os.getsid(pid) != os.getsid(0), "it outlives the studio"
    browser.post("/runs/small/stop")
    for _ in range(600):
        if not is_at_work(folder):
            break
        time.sleep(0.1)
    assert "stopped" in browser.get("/runs/small/live").text
    assert "Continue it" in browser.get("/runs/small/live").text
