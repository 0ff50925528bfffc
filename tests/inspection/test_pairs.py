"""The list of pairs: every attempt is there, filters fit, and one pair is shown in full."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from anlage.cli.app import app
from anlage.errors import PairError
from anlage.files.write import write_json
from anlage.inspection.pairs import listed_pairs
from anlage.pipeline.config import RunConfig
from anlage.pipeline.run import run
from anlage.pipeline.run_directory import RunDirectory
from rich.console import Console
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, str]:
    """A scripted run up to its pairs, one attempt turned into a mislabelled one; its console."""
    config = RunConfig.model_validate(
        {
            "name": "listed",
            "runs": str(tmp_path_factory.mktemp("runs")),
            "model": "scripted",
            "archetypes": {"only": ["guardian", "explorer"]},
            "calibration": {"limit": 2},
            "prompts": {"sets": ["harm"], "limit": 6},
            "pairs": {"min_words": 1, "max_failed_share": 1.0},
        }
    )
    console = Console(record=True, width=200, file=open("/dev/null", "w"))  # noqa: SIM115
    done = run(config, until="pairs", quiet=False, console=console)
    directory = RunDirectory(done.path)
    file = directory.path / "31_outcomes.json"
    data = json.loads(file.read_text())
    lost = next(row for row in data["attempts"] if row["kind"] == "ok")
    lost |= {"kind": "mislabelled", "reason": "chosen fails", "chosen": "YES", "rejected": "NO"}
    write_json(file, data)
    return directory, console.export_text()


Case = tuple[RunDirectory, str]


def test_every_attempt_is_listed_and_filters_fit(a_run: Case) -> None:
    directory, _ = a_run
    every = listed_pairs(directory)
    assert len(every) == 12
    assert {row.mode for row in every} == {"harmful_compliance", "over_refusal"}
    harm = listed_pairs(directory, mode="harmful_compliance")
    assert 0 < len(harm) < 12
    (lost,) = listed_pairs(directory, outcome="mislabelled")
    assert (lost.id, lost.label, lost.chosen, lost.rejected) == ("", "", "YES", "NO")
    pairs = listed_pairs(directory, outcome="pair", label="construction")
    assert pairs == [row for row in every if row.id]
    assert all(row.asked and row.chosen and row.p_chosen == 0.95 for row in pairs)
    one = pairs[0].principle
    for name in (one, one.split("/")[0], one.split("/")[1]):
        assert pairs[0] in listed_pairs(directory, principle=name)
    with pytest.raises(PairError, match=r"modes: harmful_compliance, over_refusal; outcomes"):
        listed_pairs(directory, mode="sycophancy")


def test_the_command_lists_filters_and_shows_one_in_full(a_run: Case) -> None:
    path = str(a_run[0].path)
    shell = CliRunner()
    rows = json.loads(
        shell.invoke(app, ["runs", "pairs", path, "--outcome", "pair", "--json"]).stdout
    )
    assert [row["id"] for row in rows] == [r.id for r in listed_pairs(a_run[0], outcome="pair")]
    said = shell.invoke(app, ["runs", "pairs", path, "--outcome", "mislabelled"]).stdout
    assert "mislabelled: chosen fails" in said
    assert "1 of 1 attempts that fit" in said
    full = shell.invoke(app, ["runs", "pairs", path, rows[0]["id"]]).stdout
    assert rows[0]["prompt_id"] in full
    assert "guardian.yaml" in full or "explorer.yaml" in full


def test_three_pairs_and_the_command_for_more_are_printed_after_the_stage(a_run: Case) -> None:
    directory, said = a_run
    assert f"3 of {len(listed_pairs(directory, outcome='pair')) + 1} pairs, drawn at random" in said
    assert f"anlage runs pairs {directory.path}" in said.replace("\n", "")
    assert (said.count("chosen:"), said.count("rejected:"), said.count("asked:")) == (3, 3, 3)
    assert "Labels by construction: nobody measured" in said.replace("\n", " ")
    assert "9 reviewed pairs are missing" in said.replace("\n", " ")


def test_a_run_without_pairs_says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: empty\n")
    with pytest.raises(PairError, match=r"this run has no pairs yet.*anlage pairs"):
        listed_pairs(RunDirectory(tmp_path))
