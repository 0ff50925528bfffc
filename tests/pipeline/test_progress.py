from __future__ import annotations

import io

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
