from __future__ import annotations

import io

import pytest
from anlage.pipeline.progress import StageProgress
from rich.console import Console


def test_the_bar_shows_what_the_models_do_and_attempts_where_steps_overlap() -> None:
    screen = io.StringIO()
    progress = StageProgress(Console(file=screen, force_terminal=True, width=160))
    progress.status = lambda done, total: f"status {done:.0f} of {total}"
    with progress.stage("building pairs"):
        progress.step("pairs: draft")
        progress.update(3, 12)
        assert progress._progress is not None
        progress._progress.refresh()
        progress.attempts(5, 40)
        progress.update(1, 2)  # a single call says nothing about the whole
        progress.step("pairs: critique")
        progress._progress.refresh()
    shown = screen.getvalue()
    assert "status 3 of 12" in shown
    assert "status 5 of 40" in shown
    assert "pairs: critique" not in shown
    screen.truncate(0)
    with progress.stage("training"):
        progress.update(1, 2)
        assert progress._progress is not None
        progress._progress.refresh()
    assert "status 1 of 2" in screen.getvalue()


def test_a_quiet_one_draws_nothing() -> None:
    screen = io.StringIO()
    progress = StageProgress(Console(file=screen, force_terminal=True), quiet=True)
    with progress.stage("x"):
        progress.attempts(1, 2)
        progress.step("y")
    assert screen.getvalue() == ""


def test_a_line_fits_and_says_what_is_left() -> None:
    progress = StageProgress(Console(file=io.StringIO(), width=80))
    progress.status = lambda done, total: "loss 0.693 " + "and more " * 20
    with progress.stage("training layer 1 of round 2, and a long name"):
        progress.update(1, 1000)
        progress.update(250, 1000)
        line = progress.line()
    assert len(line) == 80
    assert "250/1000 0:00 left loss 0.693" in line


def test_a_pipe_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("anlage.pipeline.progress.time.monotonic", lambda: now[0])
    pipe = io.StringIO()
    progress = StageProgress(Console(file=pipe, width=80))
    with progress.stage("training"):
        for done in range(1, 301):  # five minutes, a step a second
            now[0] += 1
            progress.update(done, 300)
    lines = pipe.getvalue().splitlines()
    assert len(lines) == 5
    assert "60/300 4:00 left" in lines[0]
    assert all(len(line) <= 80 for line in lines)
