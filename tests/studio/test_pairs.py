"""The pairs' table: the inverted pair stands first, filters filter, a flag is kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from anlage.inspection.judgements import flags
from anlage.studio.pairs import marked
from starlette.testclient import TestClient

from ..helpers.studio import HOSTILE, INVERTED, a_pair, client, make_folder


@pytest.fixture
def browser(tmp_path: Path) -> TestClient:
    make_folder(tmp_path)
    return client(tmp_path)


def shown(page: str) -> list[str]:
    return re.findall(r'href="/runs/one/pairs/([0-9a-f]{12})"', page)


def test_the_inverted_pair_is_two_clicks_away(browser: TestClient) -> None:
    home = browser.get("/").text
    assert 'href="/runs/one/pairs"' in home  # the first click
    page = browser.get("/runs/one/pairs").text
    assert shown(page)[0] == a_pair(INVERTED).id  # the second
    assert "the chosen answer helps with what should be declined" in page
    assert shown(browser.get("/runs/one/pairs?doubt=1").text) == [a_pair(INVERTED).id]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 30), ("q=HOUSE+3%3F", 3), ("label=comparison", 8), ("role=twin", 0),
        ("mode=harmful_compliance&label=construction", 22), ("principle=guardian/nothing", 0),
        ("principle=guardian/proportionate-refusal&q=house", 30),
    ],
)  # fmt: skip
def test_filters(browser: TestClient, query: str, count: int) -> None:
    assert f"{count} of 30 pairs" in browser.get(f"/runs/one/pairs?{query}").text


def test_pages_hold_each_pair_once(browser: TestClient) -> None:
    first, second = (shown(browser.get(f"/runs/one/pairs?page={n}").text) for n in (1, 2))
    assert len({*first, *second}) == 30
    for odd in ("0", "-1", "999999999999", "x"):
        assert browser.get(f"/runs/one/pairs?page={odd}").status_code == 200


def test_one_pair_leads_to_its_line_of_yaml(browser: TestClient) -> None:
    page = browser.get(f"/runs/one/pairs/{a_pair(1).id}").text
    assert "guardian/proportionate-refusal" in page
    assert re.search(r"guardian\.yaml, line \d+", page)
    assert "id: proportionate-refusal" in page
    assert "The store does not have this call any more" in page


def test_a_flag_is_kept_and_can_be_taken_back(browser: TestClient, tmp_path: Path) -> None:
    from anlage.pipeline.run_directory import RunDirectory

    run, pair = RunDirectory(tmp_path / "runs" / "one"), a_pair(INVERTED)
    at = f"/runs/one/pairs/{pair.id}/flag"
    page = browser.post(at, data={"wrong": "yes", "note": HOSTILE}).text
    assert flags(run) == {pair.id: HOSTILE}
    assert HOSTILE not in page
    (run.path / "review" / "flags.jsonl").open("a").write('{"pair": "cut off')
    browser.post(at, data={"wrong": "no"})
    assert flags(run) == {}
    assert browser.post("/runs/one/pairs/000000000000/flag").status_code == 404


def test_a_changed_file_is_read_again(browser: TestClient, tmp_path: Path) -> None:
    browser.get("/runs/one/pairs")
    file = tmp_path / "runs" / "one" / "30_pairs.jsonl"
    file.write_text("\n".join(file.read_text().splitlines()[:5]) + "\n")
    assert "5 of 5 pairs" in browser.get("/runs/one/pairs").text
    file.write_text(file.read_text() + "{broken\n")
    answer = browser.get("/runs/one/pairs")
    assert answer.status_code == 400
    assert "30_pairs.jsonl:6" in answer.text


def test_what_the_other_answer_lacks_is_marked() -> None:
    assert marked("Say no, <b>", "Say yes, <b>") == "Say <mark>no,</mark> &lt;b&gt;"
    assert marked("", "x") == ""
    assert marked("same", "same") == "same"
    assert marked("one two <b>", "three four five") == "one two &lt;b&gt;", "nothing in common"
