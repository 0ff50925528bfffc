"""Results: what got worse is said as loudly, all answers are there, the export needs no server."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ..helpers.studio import HOSTILE, client, make_folder


@pytest.fixture
def browser(tmp_path: Path) -> TestClient:
    make_folder(tmp_path)
    return client(tmp_path)


def test_verdict_and_all_answers(browser: TestClient) -> None:
    page = browser.get("/runs/one/results").text
    assert "defended at-risk prompts rose" in page
    assert "96 of 96 prompts, page 1 of 5" in page
    seen = set()
    for number in range(1, 6):
        page = browser.get(f"/runs/one/results?page={number}").text
        seen |= set(re.findall(r'<article class="card" id="([^"]+)"', page))
    assert len(seen) == 96


@pytest.mark.parametrize(
    ("query", "count"),
    [("flipped=1", 48), ("role=twin", 48), ("after=refused", 48), ("before=refused", 0),
     ("q=bad+thing+7", 5), ("mode=sycophancy", 16)],
)  # fmt: skip
def test_filters(browser: TestClient, query: str, count: int) -> None:
    assert f"{count} of 96 prompts" in browser.get(f"/runs/one/results?{query}").text


def test_a_run_without_results_says_why(browser: TestClient, tmp_path: Path) -> None:
    file = tmp_path / "runs" / "one" / "50_evaluation.json"
    whole = file.read_text()
    file.write_text(whole[: len(whole) // 2])
    assert browser.get("/runs/one/results").status_code == 400
    file.unlink()
    assert "Nothing has been measured" in browser.get("/runs/one/results").text
    assert browser.post("/runs/one/export").status_code == 404


def test_the_export_opens_without_a_server(browser: TestClient, tmp_path: Path) -> None:
    file = tmp_path / "runs" / "one" / "50_evaluation.json"
    file.write_text(file.read_text().replace('Do the bad thing 3"', HOSTILE.replace('"', "") + '"'))
    answer = browser.post("/runs/one/export")
    assert answer.status_code == 200
    page = (tmp_path / "exports" / "one" / "index.html").read_text()
    assert page.count("<article") == 96
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:|#|report\.html)', page)
    assert (tmp_path / "exports" / "one" / "report.html").is_file()


def test_two_runs_compared(browser: TestClient, tmp_path: Path) -> None:
    other = tmp_path / "runs" / "two"
    shutil.copytree(tmp_path / "runs" / "one", other)
    config = other / "config.yaml"
    config.write_text(config.read_text().replace("batch_size: 32", "batch_size: 8"))
    evaluation = other / "50_evaluation.json"
    text = evaluation.read_text()
    evaluation.write_text(text.replace('"verdict": "refused"', '"verdict": "answered"', 1))
    page = browser.get("/compare?first=one&second=two").text
    assert "batch_size" in page
    assert page.split("Prompts that flipped")[1].count("<article") == 1
    assert browser.get("/compare?first=one&second=none").status_code == 404
