"""The shipped studies: all of them can be planned, small and at full size."""

from __future__ import annotations

import runpy
from pathlib import Path

import anlage
import pytest
from anlage.study.design import design
from anlage.study.planning.plan import make_plan

ROOT = Path(anlage.__file__).parent
STUDIES = sorted((ROOT / "examples" / "studies").glob("s[0-9]*.yaml"))
LARGE = ("s0", "s5", "s6", "s7")
"""Studies whose plan takes longest: planned by `make test-slow`."""
PLANNED = [
    pytest.param(file, id=file.stem, marks=[pytest.mark.slow] if file.name[:2] in LARGE else [])
    for file in STUDIES
]


def test_all_eight_are_there() -> None:
    assert [file.name[:2] for file in STUDIES] == [f"s{i}" for i in range(8)]


@pytest.mark.parametrize("file", PLANNED)
def test_it_can_be_planned(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    small, full = make_plan(design(file)), make_plan(design(file, full=True))
    assert full.calls > small.calls
    assert small.design.spec.outcome is not None
    assert any(arm.is_control for arm in small.design.arms)
    assert not {r.name for r in small.design.runs} & {r.name for r in full.design.runs}


def test_the_texts_of_s4_are_those_of_the_library() -> None:
    folder = ROOT / "examples" / "studies"
    made = runpy.run_path(str(folder / "text_formats.py"))["texts"]()
    assert made == {file.name: file.read_text("utf-8") for file in (folder / "texts").iterdir()}
