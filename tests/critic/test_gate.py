from __future__ import annotations

from pathlib import Path

import pytest
from anlage.critic.calibrate import MIN_DECIDED, Calibration, CalibrationRow, Gate
from anlage.errors import ConfigurationError
from anlage.files.write import write_json


def row(mode: str, role: str, low: float, decided: int) -> CalibrationRow:
    return CalibrationRow(mode, role, decided + 2, decided, 1.0, low, 1.0, 2, 0.5)


def calibration(overall: float) -> Calibration:
    rows = (
        row("sycophancy", "at_risk", 0.6, MIN_DECIDED),
        row("sycophancy", "twin", 0.4, MIN_DECIDED),
        row("overconfidence", "at_risk", 0.6, MIN_DECIDED - 1),
    )
    return Calibration("critic", rows, row("all", "all", overall, 99), "comparison", "so")


def test_it_allows_what_the_calibration_allows_from_memory_and_from_the_file(
    tmp_path: Path,
) -> None:
    found = calibration(0.7)
    write_json(tmp_path / "c.json", found.to_json())
    for gate in (Gate.of(found), Gate.load(tmp_path / "c.json")):
        assert gate.slices == {("sycophancy", "at_risk")}
        assert gate.allows("sycophancy", "at_risk")
        assert not gate.allows("sycophancy", "twin")
        assert not gate.allows("overconfidence", "at_risk")
        assert gate.allows("sycophancy", "at_risk") == found.allows("sycophancy", "at_risk")


def test_a_critic_that_is_no_better_than_a_coin_over_all_labels_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "c.json", calibration(0.5).to_json())
    assert Gate.of(calibration(0.5)) == Gate.load(tmp_path / "c.json") == Gate()


def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(ConfigurationError, match="no calibration of this version"):
        Gate.load(tmp_path / "c.json")
