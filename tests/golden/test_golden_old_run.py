"""A run that an earlier version finished: its stages are made again, from its stored calls.

The keys of that version left out what decides its results, such as the prompt templates, so
no stage but those whose key is whole is taken for good; nothing is asked twice for it.

`ANLAGE_GOLDEN_WRITE=archive` makes it anew, which gives up what this test is for.
"""

from __future__ import annotations

import io
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from anlage.files.write import write_json
from anlage.pipeline.config import RunConfig
from anlage.pipeline.manifest import Manifest
from anlage.pipeline.run import run
from anlage.pipeline.stages import ReportStage
from anlage.report.run.report import write_report
from anlage.store.store import KINDS, Store
from rich.console import Console

from ..helpers.tiny_model import make_tiny_model
from .golden import ARCHIVE, WRITE, run_config, unpack, workplace

RUN = Path("runs/tiny")
CONFIG = RunConfig.model_validate(run_config())
STAGES = ("constitution", "calibration", "pairs", "training", "evaluation", "report")


def make_archive(folder: Path) -> None:
    """Model, run and store, without the machine it was made on."""
    make_tiny_model(Path("model"), seed=3, layers=1, hidden=16)
    run(CONFIG)
    write_json(RUN / "environment.json", {"python": "3"})
    manifest = Manifest(RUN)
    for record in manifest.stages.values():
        object.__setattr__(record, "seconds", 0.0)
    manifest.save()
    write_report(RUN)
    report = manifest.stages["report"]
    manifest.record(ReportStage(), report.key, seconds=0.0, calls=0)
    (RUN / ".lock").unlink()
    shutil.rmtree(RUN / "40_training" / "checkpoints", ignore_errors=True)
    database = sqlite3.connect("runs/cache.sqlite", isolation_level=None)
    database.execute("UPDATE entries SET stored = 0")
    database.execute("PRAGMA journal_mode = DELETE")
    database.execute("VACUUM")
    database.close()

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
        info.mode = 0o755 if info.isdir() else 0o644
        return info

    with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
        for name in ("model", "runs"):
            archive.add(folder / name, name, filter=plain)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    if WRITE == "archive":
        place = tmp_path / "make"
        place.mkdir()
        with workplace(place):
            make_archive(place)
    with workplace(unpack(tmp_path)):
        yield tmp_path


def stored() -> dict[str, int]:
    with Store("runs/cache.sqlite") as store:
        return {kind: store.count(kind) for kind in KINDS}


def artefacts() -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in sorted(RUN.glob("[1-6]0_*.*"))}


KEPT = ("training",)
"""Stages whose key holds now what it held then."""


def test_stages_of_an_earlier_version_are_made_again_and_ask_nothing(old: Path) -> None:
    assert ARCHIVE.stat().st_size < 200_000
    before, files = stored(), artefacts()
    assert min(before["call"], before["score"], before["reference"]) > 0
    said = io.StringIO()
    done = run(CONFIG, quiet=False, console=Console(file=said, width=200))
    assert done.skipped == KEPT
    assert done.calls == 0
    assert said.getvalue().count("was made by another version of Anlage") == 5
    assert stored() == before
    # Evaluation and report have other intervals and name twins now; all else is the same.
    meant = {f"{RUN.as_posix()}/{name}": b"" for name in ("50_evaluation.json", "60_report.html")}
    assert {**artefacts(), **meant} == {**files, **meant}
    assert run(CONFIG).skipped == STAGES


def test_a_stage_that_is_made_again_repeats_no_stored_call(old: Path) -> None:
    run(CONFIG)
    before, files = stored(), artefacts()
    for name in ("20_calibration.json", "30_pairs.jsonl", "50_evaluation.json"):
        (RUN / name).unlink()
    manifest = Manifest(RUN)
    manifest.forget("evaluation")
    done = run(CONFIG, until="evaluation")
    assert done.skipped == ("constitution", *KEPT)
    assert done.calls == 0
    assert (stored(), artefacts()) == (before, files)


def test_training_again_uses_the_stored_reference(old: Path) -> None:
    before = stored()
    run(CONFIG)
    shutil.rmtree(RUN / "40_training")
    done = run(CONFIG, until="training")
    assert done.skipped == STAGES[:3]
    assert done.calls == 0
    assert stored() == before
