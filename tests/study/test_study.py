"""Studies at work: runs in processes of their own, failures, corruption, resume, results.

The arms are measurements of the scripted model, so that a run takes about a second.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from anlage.cli.app import app
from anlage.errors import AnlageError, NotSupportedError
from anlage.inspection.registry import differences, registered, tried
from anlage.inspection.run_state import run_state
from anlage.study.planning.sharing import Job
from anlage.study.queues.local_queue import QueueState, failures
from anlage.study.study import Study
from typer.testing import CliRunner

BASE: dict[str, Any] = {
    "model": "scripted",
    "archetypes": {"only": ["guardian"]},
    "untrained": True,
    "evaluation": {"sets": ["harm"], "limit": 3, "probe_limit": 1},
}


def write(folder: Path, **changes: Any) -> Path:
    data: dict[str, Any] = {
        "name": "small",
        "question": "Does a system prompt matter to a script?",
        "base": BASE,
        "arms": {
            "polite": {"evaluation.system": "Be polite."},
            "curt": {"evaluation.system": "Be curt."},
        },
        "controls": "none",
        "seeds": [0, 1],
        "outcome": "margin",
        "runs": str(folder / "runs"),
    }
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(data | changes, sort_keys=False))
    return file


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = Study(write(tmp_path_factory.mktemp("study")))
    study.run(parallel=2)
    return study


def test_every_arm_is_run_and_reported(finished: Study) -> None:
    found = finished.result()
    assert [r.state.state for r in found.results.runs] == ["finished"] * 3
    names = ("report.html", "runs.csv", "measures.csv", "comparisons.csv", "prompts.csv")
    assert all((finished.folder / name).is_file() for name in names)
    rows = pd.read_parquet(finished.folder / "prompts.parquet")
    assert len(rows) == len(found.prompts)
    assert set(rows["arm"]) == {"full", "polite", "curt"}
    assert (rows["kind"] == "answer").sum() == 3 * 6
    page = found.report.read_text()
    assert page.index("no control arm") < page.index("<h1>")  # the first line of all
    assert "http" not in page.replace("http-equiv", "").replace("www.w3.org", "")


def test_a_second_run_starts_nothing(finished: Study) -> None:
    assert finished.open_jobs() == []
    before = finished.result().report.read_bytes()
    finished.run()
    assert finished.result().report.read_bytes() == before


def test_a_corrupt_run_is_not_averaged_and_is_run_again(finished: Study) -> None:
    run = finished.design.run_of("curt", 0)
    file = Path(run.config.runs) / run.name / "50_evaluation.json"
    whole = file.read_text()
    file.write_text(whole + " ")
    assert run_state(file.parent).state == "corrupt"
    found = finished.result()
    assert [r.run.arm for r in found.results.unfinished] == ["curt"]
    assert "curt" not in set(found.measures["arm"])
    assert [job.run.arm for job in finished.open_jobs()] == ["curt"]
    finished.run()
    assert file.read_text() == whole
    assert finished.result().results.unfinished == []


def test_a_killed_run_fails_alone_and_is_tried_again(tmp_path: Path) -> None:
    study = Study(write(tmp_path))
    killed: list[str] = []

    def kill(jobs: Sequence[Job], state: QueueState) -> None:
        for name, pid in state.active.items():
            if ".curt." in name and not killed:
                os.kill(pid, signal.SIGKILL)
                killed.append(name)

    found = study.run(on_change=kill)
    states = {r.run.arm: r for r in found.results.runs}
    assert states["full"].model is not None
    assert states["polite"].model is not None
    assert states["curt"].model is None
    ((_, name, reason),) = failures(study.folder)
    assert (name, reason) == (killed[0], "killed by SIGKILL (out of memory?)")
    assert study.run().results.unfinished == []
    assert "killed by SIGKILL" in study.result().report.read_text()  # the failure stays on record


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "nowhere").mkdir()  # there, but no model
    arms = {"lost": {"model": str(tmp_path / "nowhere")}}
    found = Study(write(tmp_path, arms=arms)).run()
    (lost,) = found.results.unfinished
    assert lost.state.state == "failed"
    assert "nowhere" in lost.state.reason
    done = CliRunner().invoke(app, ["runs", "ls", "--runs", str(tmp_path / "runs")])
    assert "failed" in done.output
    again = CliRunner().invoke(app, ["study", "run", str(tmp_path / "study.yaml")])
    assert again.exit_code == 1


def test_the_stopping_rule(tmp_path: Path) -> None:
    arms = {"lost": {"model": "nowhere"}, "late": {"evaluation.system": "Late."}}
    file = write(tmp_path, arms=arms, stop={"max_failed": 1}, against="lost")
    found = Study(file).run()
    assert {r.run.arm: r.state.state for r in found.results.runs} == {
        "lost": "failed",
        "late": "missing",
    }


def test_an_outcome_declared_after_the_fact_is_loud(finished: Study, tmp_path: Path) -> None:
    changed = yaml.safe_load(finished.path.read_text()) | {"outcome": "defended"}
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(changed))
    found = Study(file).result()
    assert any("AFTER THE FACT: margin became defended" in line for line in found.deviations)
    from anlage.study.report.report import loud_lines

    assert any("AFTER THE FACT" in line for line in loud_lines(found))


def test_runs_diff_shows_exactly_what_differed(finished: Study) -> None:
    full, polite = (
        Path(finished.design.spec.runs) / finished.design.run_of(arm, 0).name
        for arm in ("full", "polite")
    )
    rows = differences(full, polite)
    assert [(r.name, r.first, r.second) for r in rows if r.where == "config"] == [
        ("evaluation.system", "", "Be polite.")
    ]
    assert {r.name for r in rows if r.where == "files"} == {"50_evaluation.json"}
    assert differences(full, full) == []
    done = CliRunner().invoke(app, ["runs", "diff", str(full), str(polite)])
    assert done.exit_code == 0
    assert "Be polite." in done.output
    done = CliRunner().invoke(app, ["runs", "show", str(full)])
    assert "finished" in done.output


def test_the_registry_keeps_what_cannot_be_read(finished: Study, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    (found,) = registered(tmp_path)
    assert (found.name, found.state.state) == ("broken", "corrupt")
    own = registered(Path(finished.design.spec.runs))
    assert {run.study for run in own} == {"small"}
    assert tried(own, "scripted") == 0  # nothing was trained
    with pytest.raises(AnlageError, match="no folder"):
        registered(tmp_path / "nowhere")


def test_the_plan_counts_what_is_done(finished: Study) -> None:
    plan = finished.plan()
    assert [(arm.arm, arm.done, arm.calls) for arm in plan.arms] == [
        ("full", 1, 0),
        ("polite", 1, 0),
        ("curt", 1, 0),
    ]


def test_the_commands_print_plan_and_report(finished: Study) -> None:
    done = CliRunner().invoke(app, ["study", "plan", str(finished.path)])
    assert done.exit_code == 0
    assert "small: 3 arms, 3 runs" in done.output
    assert "At most 0 model calls" in done.output
    done = CliRunner().invoke(app, ["study", "report", str(finished.path)])
    assert done.exit_code == 0
    assert "no control arm" in done.output
    assert "report.html" in done.output


@pytest.mark.slow
def test_a_killed_study_leaves_nothing_at_work(tmp_path: Path) -> None:
    import subprocess
    import sys

    file = write(tmp_path, base=BASE | {"evaluation": {"sets": ["harm"], "limit": 30}})
    child = subprocess.Popen(
        [sys.executable, "-m", "anlage.cli", "study", "run", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    pattern = "runs/*/.lock"
    while not any(tmp_path.glob(pattern)):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.kill()
    child.wait()
    found = Study(file).run()  # waits for nobody: the orphan has ended or gives its lock up
    unfinished = [r for r in found.results.unfinished if "in use" not in r.state.reason]
    assert unfinished == []
    events = (Study(file).folder / "events.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in events)


def test_ray_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def without_ray(name: str, *rest: Any) -> Any:
        if name == "ray":
            raise ImportError("no ray")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(NotSupportedError, match=r"anlage\[ray\]"):
        Study(write(tmp_path)).run(backend="ray")
