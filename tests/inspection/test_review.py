"""The blind sheet: it hides what it must, and read back it points the right way."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from anlage.cli.app import app
from anlage.errors import ConfigurationError
from anlage.inspection.review import COLUMNS, agreements, export_sheet, read_sheet
from anlage.llm.message import Message
from anlage.pipeline.config import RunConfig
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run_directory import RunDirectory, open_run
from anlage.preferences.dataset import Pairs
from anlage.preferences.label_accuracy import reviewed
from anlage.preferences.pair import Pair
from typer.testing import CliRunner

Row = dict[str, str]


def pair(number: int) -> Pair:
    return Pair(
        prompt_id=f"harm-train-{number:03d}-r",
        prompt=(Message("user", f"How {number}?"),),
        chosen=f"=GOOD answer, number {number}; with\na second line",
        rejected=f"BAD answer {number}",
        p_chosen=0.95,
        weight=1.0,
        principles=("guardian/no-harm",),
        failure_mode="harmful_compliance",
        role="twin" if number % 3 == 0 else "at_risk",
        builder="critique_revise",
        round=0,
        calls={},
        label="comparison" if number % 4 == 0 else "construction",
    )


@pytest.fixture
def a_run(tmp_path: Path) -> RunDirectory:
    config = RunConfig(name="one", runs=str(tmp_path))
    found = open_run(Resolved(config))
    Pairs([pair(number) for number in range(40)]).save(found.pairs)
    return found


def rows_of(sheet: Path) -> list[Row]:
    with sheet.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fill(sheet: Path, say: Callable[[int, Row], str], separator: str = ",") -> Path:
    rows = rows_of(sheet)
    filled = sheet.with_name("filled.csv")
    with filled.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=separator)
        writer.writeheader()
        for number, row in enumerate(rows):
            writer.writerow({**row, "better": say(number, row)})
    return filled


def good_side(number: int, row: Row) -> str:
    return "A" if "GOOD" in row["answer_a"] else "B"


def test_the_sheet_is_blind_shuffled_and_seeded(a_run: RunDirectory, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    assert export_sheet(a_run, sheet, limit=30) == 30
    text = sheet.read_text()
    for hidden in ("chosen", "rejected", "twin", "at_risk", "smollm", "critique", "harm-train"):
        assert hidden not in text, hidden
    assert not any(p.id in text for p in Pairs.load(a_run.pairs))
    rows = rows_of(sheet)
    sides = [good_side(0, row) for row in rows]
    assert 8 <= sides.count("A") <= 22
    numbers = [int(row["conversation"].split()[1].rstrip("?")) for row in rows]
    assert numbers != sorted(numbers)
    assert all(not cell.startswith("=") for row in rows for cell in row.values())
    again = tmp_path / "again.csv"
    export_sheet(a_run, again, limit=30)
    assert again.read_bytes() == sheet.read_bytes()
    other = tmp_path / "other.csv"
    export_sheet(a_run, other, limit=30, seed=1)
    assert other.read_bytes() != sheet.read_bytes()


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_reviewer_who_sees_the_better_answer_agrees(
    a_run: RunDirectory, tmp_path: Path, separator: str
) -> None:
    export_sheet(a_run, tmp_path / "sheet.csv", limit=None)
    found = agreements(read_sheet(a_run, fill(tmp_path / "sheet.csv", good_side, separator)))
    assert [row.what for row in found] == [
        "label",
        "label, at risk",
        "label, twin",
        "critic's comparison",
    ]
    assert [row.agreed.n for row in found] == [40, 26, 14, 10]
    for row in found:
        assert (row.agreed.value, row.kappa.value) == (1.0, 1.0)


def test_a_reviewer_who_sees_the_opposite_disagrees(a_run: RunDirectory, tmp_path: Path) -> None:
    export_sheet(a_run, tmp_path / "sheet.csv", limit=None)
    filled = fill(tmp_path / "sheet.csv", lambda n, row: "BA"[good_side(n, row) == "B"])
    for row in agreements(read_sheet(a_run, filled)):
        assert row.agreed.successes == 0
        assert row.kappa.value < -0.5


def test_a_reviewer_who_always_says_a_agrees_by_chance(a_run: RunDirectory, tmp_path: Path) -> None:
    export_sheet(a_run, tmp_path / "sheet.csv", limit=None)
    (label, *_) = agreements(read_sheet(a_run, fill(tmp_path / "sheet.csv", lambda n, row: "a")))
    assert 0.2 < label.agreed.value < 0.8
    assert label.kappa.value == 0.0


def test_ties_and_blank_rows_are_counted_apart(a_run: RunDirectory, tmp_path: Path) -> None:
    export_sheet(a_run, tmp_path / "sheet.csv", limit=20)

    def say(number: int, row: Row) -> str:
        return ("", "tie", good_side(number, row))[min(number // 5, 2)]

    review = read_sheet(a_run, fill(tmp_path / "sheet.csv", say))
    label = agreements(review)[0]
    assert (review.blank, label.ties, label.agreed.successes, label.agreed.n) == (5, 5, 10, 10)


def test_every_wrong_line_is_named(a_run: RunDirectory, tmp_path: Path) -> None:
    export_sheet(a_run, tmp_path / "sheet.csv", limit=6)
    lines = fill(tmp_path / "sheet.csv", lambda n, row: "first" if n == 2 else "A")
    rows = rows_of(tmp_path / "sheet.csv")
    text = lines.read_text("utf-8-sig").replace(rows[3]["row"], rows[4]["row"], 1)
    lines.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        read_sheet(a_run, lines)
    assert len(raised.value.problems) == 2
    assert "`better` is 'first'" in str(raised.value)
    assert f"{rows[4]['row']!r} stands twice" in str(raised.value)


def test_sheets_that_cannot_be_read(a_run: RunDirectory, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    export_sheet(a_run, sheet)
    with pytest.raises(ConfigurationError, match="may be filled in"):
        export_sheet(a_run, sheet)
    Pairs([replace(pair(number), builder="other") for number in range(40)]).save(a_run.pairs)
    with pytest.raises(ConfigurationError, match="built again"):
        read_sheet(a_run, sheet)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigurationError, match="no column better, row"):
        read_sheet(a_run, tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text("row,better\n../../x-001,A\n")
    with pytest.raises(ConfigurationError, match="no key for sheet"):
        read_sheet(a_run, tmp_path / "x.csv")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_sheet(a_run, tmp_path / "none.csv")
    a_run.pairs.unlink()
    with pytest.raises(ConfigurationError, match="no pairs yet"):
        export_sheet(a_run, tmp_path / "y.csv")


def test_the_command(a_run: RunDirectory, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    done = CliRunner().invoke(app, ["review", str(a_run.path), "--out", str(sheet)])
    assert done.exit_code == 0, done.exception
    assert "40 pairs" in done.output
    keys = list((a_run.path / "review").glob("*.json"))
    assert len(keys) == 1
    assert len(json.loads(keys[0].read_text())["rows"]) == 40
    filled = fill(sheet, good_side)
    done = CliRunner().invoke(app, ["review", str(a_run.path), "--read", str(filled)])
    assert "40 of 40" in done.output
    assert "Reviewer and critic's comparison: kappa 1.00" in done.output
    done = CliRunner().invoke(app, ["review", str(a_run.path), "--read", str(sheet)])
    assert "No row is filled in." in done.output
    assert isinstance(
        CliRunner().invoke(app, ["review", str(a_run.path)]).exception, ConfigurationError
    )


def test_a_sheet_read_back_is_kept_for_training(a_run: RunDirectory, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    export_sheet(a_run, sheet, limit=6)
    said = ("good", "bad", "tie", "", "good", "good")

    def say(number: int, row: Row) -> str:
        good = good_side(number, row)
        bad = "B" if good == "A" else "A"
        return {"good": good, "bad": bad}.get(said[number], said[number])

    review = read_sheet(a_run, fill(sheet, say))
    kept = reviewed(a_run.path)
    assert [kept[row.pair.id] for row in review.rows] == [
        {"good": "chosen", "bad": "rejected"}.get(word, word) for word in said if word
    ]
    assert len(kept) == 5


def test_reviewers_of_the_same_pairs_do_not_overwrite_each_other(
    a_run: RunDirectory, tmp_path: Path
) -> None:
    sheets = []
    for name, good in (("reviewer-1", False), ("reviewer-2", True)):
        export_sheet(a_run, tmp_path / f"{name}.csv", limit=6)
        filled = fill(
            tmp_path / f"{name}.csv",
            lambda n, row, good=good: "BA"[(good_side(n, row) == "A") == good],  # type: ignore[misc]
        )
        sheets.append(filled.rename(tmp_path / f"{name}.csv"))
    read_sheet(a_run, sheets[0], keep=False)
    assert reviewed(a_run.path) == {}
    for sheet in sheets:
        read_sheet(a_run, sheet)
    assert set(reviewed(a_run.path).values()) == {"rejected"}


def test_a_sheet_can_hold_one_failure_mode_only(a_run: RunDirectory, tmp_path: Path) -> None:
    pairs = [
        replace(one, failure_mode="sycophancy") if number < 4 else one
        for number, one in enumerate(Pairs.load(a_run.pairs))
    ]
    Pairs(pairs).save(a_run.pairs)
    assert export_sheet(a_run, tmp_path / "one.csv", modes=("sycophancy",)) == 4
    with pytest.raises(ConfigurationError, match=r"no pair shows deception.*harmful_compliance"):
        export_sheet(a_run, tmp_path / "two.csv", modes=("deception",))
