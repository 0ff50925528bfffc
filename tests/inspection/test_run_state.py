"""How a run stands, and who may say that it failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from anlage.inspection.run_state import note_failure
from anlage.pipeline.manifest import Manifest


@pytest.mark.parametrize(
    ("state", "reason", "after"),
    [
        ("finished", "is in use by another process.", "finished"),
        ("finished", "killed by signal 9", "finished"),
        ("running", "killed by signal 9", "failed"),
        ("failed", "exit code 1", "failed"),
    ],
)
def test_a_finished_run_is_never_called_failed(
    state: str, reason: str, after: str, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text("name: x\n")
    (tmp_path / "manifest.json").write_text('{"stages": {}, "status": {}}')
    Manifest(tmp_path).set_status(state, "in its own words")
    note_failure(tmp_path, reason)
    status = Manifest(tmp_path).status
    assert status["state"] == after
    assert (status["reason"] == "in its own words") == (state != "running")
