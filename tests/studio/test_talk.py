"""Try and Chat ask real models, small ones; what was said so far goes along."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from anlage.pipeline.run import run

from ..helpers.run import tiny_run_config
from ..helpers.studio import HOSTILE, client, make_folder
from ..helpers.tiny_model import make_tiny_model


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return html.unescape(found.group(1))


def test_a_try_shows_draft_critiques_and_revision(tmp_path: Path) -> None:
    make_folder(tmp_path)
    browser = client(tmp_path)
    form = {"archetype": "archetypes/guardian.yaml", "model": str(make_tiny_model(tmp_path / "m"))}
    page = browser.post("/try", data={**form, "question": f"How? {HOSTILE}"}).text
    assert HOSTILE not in page
    assert page.count('<tr><th scope="row">guardian/') == 5
    assert "Revision, under guardian/" in page
    again = {**form, "question": "And now?", "history": hidden(page, "history")}
    page = browser.post("/try", data=again).text
    assert html.escape(HOSTILE, quote=False).replace("'", "&#39;") in page.split("Before")[-1]


@pytest.mark.parametrize(
    "change", [{"question": " "}, {"archetype": "none"}, {"archetype": "../x.yaml"},
               {"model": "/no/such/model"}, {"model": ""}],
)  # fmt: skip
def test_a_try_that_cannot_be_says_why(tmp_path: Path, change: dict[str, str]) -> None:
    make_folder(tmp_path)
    form = {"archetype": "guardian", "model": "/no/such/model", "question": "How?", **change}
    if not form["model"]:
        form |= {"question": ""}
    answer = client(tmp_path).post("/try", data=form)
    assert answer.status_code in (400, 404)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("history", ["", "{", "[1, null]", "[" * 5000, '{"a": 1}'])
def test_a_broken_history_is_left_out(tmp_path: Path, history: str) -> None:
    make_folder(tmp_path)
    model = str(make_tiny_model(tmp_path / "m"))
    form = {"archetype": "guardian", "model": model, "question": "How?", "history": history}
    assert client(tmp_path).post("/try", data=form).status_code == 200


def test_chat_goes_on_with_each_models_own_answers(tmp_path: Path) -> None:
    config = tiny_run_config(tmp_path / "runs", make_tiny_model(tmp_path / "m"), name="two")
    run(config, until="training")
    browser = client(tmp_path)
    page = browser.post("/runs/two/chat", data={"question": "Hello?", "past": "[]"}).text
    first = json.loads(hidden(page, "past"))
    assert [turn["question"] for turn in first] == ["Hello?"]
    assert len(first[0]["answers"]) == 2
    page = browser.post(
        "/runs/two/chat", data={"question": "And?", "past": json.dumps([*first, {"x": 1}])}
    ).text
    assert [turn["question"] for turn in json.loads(hidden(page, "past"))] == ["Hello?", "And?"]


def test_chat_without_a_trained_model_says_so(tmp_path: Path) -> None:
    make_folder(tmp_path)
    answer = client(tmp_path).post("/runs/one/chat", data={"question": "Hello?", "past": "[]"})
    assert answer.status_code == 400
