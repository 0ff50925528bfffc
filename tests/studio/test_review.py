"""A review in the browser: blind, resumable, and what it says reaches the next training."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from anlage.inspection.judgements import sheet_of, sheet_rows
from anlage.inspection.review import agreements, read_sheet
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run_directory import RunDirectory
from anlage.pipeline.unit import units_of
from anlage.pipeline.unit_data import pairs_for
from starlette.testclient import TestClient

from ..helpers.studio import HELP, INVERTED, a_pair, client, make_folder

AT = "/runs/one/review/reviewer-1"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return make_folder(tmp_path)


@pytest.fixture
def browser(run: RunDirectory, tmp_path: Path) -> TestClient:
    return client(tmp_path)


def begin(browser: TestClient, name: str = "reviewer-1") -> str:
    return browser.post("/runs/one/review", data={"name": name, "limit": "30"}).text


def row_of(page: str) -> str:
    return str(re.findall(r'name="row" value="([^"]+)"', page)[-1])


def judge_all(browser: TestClient, page: str, name: str = "reviewer-1") -> str:
    """Prefers whichever answer declines."""
    for _ in range(30):
        first = page.split("Answer A")[1].split("Answer B")[0]
        word = "B" if HELP.split(".")[0] in first else "A"
        data = {"row": row_of(page), "better": word, "note": ""}
        page = browser.post(f"/runs/one/review/{name}", data=data).text
    return page


def test_the_page_gives_nothing_away(browser: TestClient) -> None:
    page = begin(browser)
    for word in ("chosen", "rejected", "label", "smollm2", "construction", a_pair(INVERTED).id):
        assert word not in page.split("<main")[1].replace("<label", "").replace("</label", "")
    assert "0 of 30 done" in page


def test_all_reviewers_get_the_same_order(browser: TestClient) -> None:
    first, second = begin(browser, "reviewer-1"), begin(browser, "reviewer-2")
    assert first.split("Answer A")[1] == second.split("Answer A")[1]
    assert "reviewer-2" in browser.get("/runs/one/review").text


def test_judging_going_on_and_taking_back(browser: TestClient, run: RunDirectory) -> None:
    page = begin(browser)
    first = row_of(page)
    page = browser.post(AT, data={"row": first, "better": "T", "note": "both, really"}).text
    assert "1 of 30 done" in page
    again = browser.get(AT).text
    assert row_of(again) != first
    page = browser.post(AT, data={"row": first, "better": "U"}).text
    assert row_of(page) == first
    assert "0 of 30 done" in page
    page = browser.post(AT, data={"row": first, "better": "S", "note": "unsure"}).text
    assert "1 skipped" in page
    rows = {row.row: row for row in sheet_rows(sheet_of(run, "reviewer-1"))}
    assert (rows[first].better, rows[first].note) == ("", "(skipped) unsure")
    page = browser.post(f"{AT}/skipped").text
    assert row_of(page) == first


@pytest.mark.parametrize("word", ["", "C", "label", "A; rm"])
def test_other_words_are_refused(browser: TestClient, run: RunDirectory, word: str) -> None:
    row = row_of(begin(browser))
    before = sheet_of(run, "reviewer-1").read_bytes()
    assert browser.post(AT, data={"row": row, "better": word}).status_code == 400
    assert browser.post(AT, data={"row": "no-row", "better": "A"}).status_code == 400
    assert sheet_of(run, "reviewer-1").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "x" * 41, "<b>"])
def test_a_name_must_name_a_file(browser: TestClient, name: str) -> None:
    answer = browser.post("/runs/one/review", data={"name": name, "limit": "5"})
    assert answer.status_code == 400
    assert "<b>" not in answer.text


def test_the_sheet_is_the_command_lines_own(browser: TestClient, run: RunDirectory) -> None:
    page = judge_all(browser, begin(browser))
    assert "Every pair is done" in page
    found = agreements(read_sheet(run, sheet_of(run, "reviewer-1")))[0]
    assert (found.agreed.successes, found.agreed.n) == (29, 30)


def test_use_these_labels_leaves_out_exactly_the_inverted_pair(
    browser: TestClient, run: RunDirectory, tmp_path: Path
) -> None:
    judge_all(browser, begin(browser))
    page = browser.get("/runs/one/reviewed").text
    assert "29 of 30" in page or "96.7%" in page
    assert a_pair(INVERTED).id in page
    browser.post("/runs/one/reviewed")
    resolved = Resolved.load(tmp_path / "one-reviewed.yaml")
    (unit,) = units_of(resolved)
    data = tmp_path / str(resolved.layers[0].data)
    assert data.is_file()
    import os

    here = Path.cwd()
    os.chdir(tmp_path)  # paths in a config count from where the command is run
    try:
        trained = {pair.id for pair in pairs_for(resolved, unit, run.path)}
    finally:
        os.chdir(here)
    # Looking at what reviewers say changes nothing of the run itself.
    old = Resolved.load(run.config_file)
    before = {pair.id for pair in pairs_for(old, units_of(old)[0], run.path)}
    assert before - trained == {a_pair(INVERTED).id}
    assert trained <= before


def test_reviewers_are_compared(browser: TestClient) -> None:
    judge_all(browser, begin(browser))
    page = begin(browser, "reviewer-2")
    for _ in range(4):
        data = {"row": row_of(page), "better": "A", "note": ""}
        page = browser.post("/runs/one/review/reviewer-2", data=data).text
    assert "reviewer-1 and reviewer-2: the same word on" in browser.get("/runs/one/reviewed").text


def test_a_sheet_of_other_pairs_is_named_and_costs_nothing_else(
    browser: TestClient, run: RunDirectory
) -> None:
    judge_all(browser, begin(browser))
    sheet_of(run, "reviewer-2").write_text("row,better\nx-001,A\n")
    page = browser.get("/runs/one/reviewed").text
    assert "reviewer-2: this sheet was not read" in page
    assert "reviewer-1" in page
    assert browser.get("/runs/one/review").status_code == 400
