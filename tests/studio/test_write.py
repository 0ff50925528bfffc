"""Writing an archetype: every problem beside its line, and nobody's work is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from anlage.archetypes.loader import LIBRARY
from anlage.studio.write import review_text
from starlette.testclient import TestClient

from ..helpers.studio import HOSTILE, client, make_folder

AT = "/write/archetypes/guardian.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    make_folder(tmp_path)
    return tmp_path / "archetypes" / "guardian.yaml"


@pytest.fixture
def browser(file: Path) -> TestClient:
    return client(file.parents[1])


def base_of(page: str) -> str:
    return page.split('name="base" value="')[1].split('"')[0]


def test_problems_stand_at_their_lines(browser: TestClient, file: Path) -> None:
    text = file.read_text()
    assert browser.post("/lint/archetypes/guardian.yaml", data={"text": text}).json() == {
        "problems": [],
        "side": browser.post("/lint/archetypes/guardian.yaml", data={"text": text}).json()["side"],
    }
    wrong = text.replace("mode: over_refusal", "mode: over_refusl", 1)
    line = wrong.splitlines().index("  - {mode: over_refusl, pole: excess}") + 1
    found = browser.post("/lint/archetypes/guardian.yaml", data={"text": wrong}).json()
    assert any(p["line"] == line and "over_refusl" in p["message"] for p in found["problems"])


@pytest.mark.parametrize(
    "text", ["", "a: [", HOSTILE, "- 1\n- 2\n", "\t", "id: guardian\n" * 2000, "&a [*a]", "\x00"]
)
def test_any_text_gets_an_answer(browser: TestClient, text: str) -> None:
    found = browser.post("/lint/archetypes/guardian.yaml", data={"text": text})
    assert found.status_code == 200
    assert found.json()["problems"]
    assert HOSTILE not in found.json()["side"]


def test_what_it_becomes_and_what_changed(file: Path) -> None:
    text = file.read_text()
    found = review_text(file, text)
    assert len(found.principles) == text.count("\n    situation:")
    assert found.changes == ()
    assert found.missing == {}
    changed = review_text(file, text.replace("Say no in the first sentence", "Say no at once", 1))
    assert [change.principle for change in changed.changes or ()] == [
        "guardian/proportionate-refusal"
    ]


def test_missing_guards_name_who_has_them() -> None:
    file = LIBRARY / "guardian.yaml"
    head, principles = file.read_text().split("  - id: aim-before-words")
    alone = head + "openings:" + principles.split("\nopenings:")[1]
    alone = alone.replace("  - {mode: over_refusal, pole: excess}\n", "")
    start, end = alone.index("    over_refusal:\n"), alone.index("exemplars:")
    alone = alone[:start] + alone[end:]
    items = alone.split("  - failure_mode: over_refusal")
    kept = items[0] + "".join(
        item[item.index("  - failure_mode: harmful") :]
        for item in items[1:]
        if "  - failure_mode: harmful" in item
    )
    found = review_text(file.with_name("elsewhere.yaml"), kept)
    if found.principles:
        assert "guardian" in found.missing["over_refusal"]
    else:
        assert found.problems


def test_saving(browser: TestClient, file: Path) -> None:
    page = browser.get(AT).text
    new = file.read_text() + "# a comment\n"
    answer = browser.post(AT, data={"text": new.replace("\n", "\r\n"), "base": base_of(page)})
    assert "Saved." in answer.text
    assert file.read_text() == new


def test_the_second_writer_is_told_and_loses_nothing(browser: TestClient, file: Path) -> None:
    base = base_of(browser.get(AT).text)
    old = file.read_text()
    browser.post(AT, data={"text": old + "# first\n", "base": base})
    answer = browser.post(AT, data={"text": old + "# second\n", "base": base})
    assert answer.status_code == 409
    assert "changed by somebody else" in answer.text
    assert "# first" in answer.text
    assert "# second" in answer.text
    assert file.read_text() == old + "# first\n"
    browser.post(AT, data={"text": old + "# both\n", "base": base_of(answer.text)})
    assert file.read_text() == old + "# both\n"


def test_checking_saves_nothing(browser: TestClient, file: Path) -> None:
    old = file.read_bytes()
    data = {"text": "id: x", "base": base_of(browser.get(AT).text), "only_check": "1"}
    assert "Checked, not saved" in browser.post(AT, data=data).text
    assert file.read_bytes() == old


def test_a_new_archetype(browser: TestClient, file: Path) -> None:
    assert "scout.yaml" in browser.post("/new", data={"name": "Scout"}).text
    assert file.with_name("scout.yaml").is_file()
    assert browser.post("/new", data={"name": "Scout"}).status_code == 400
    assert browser.post("/new", data={"name": "../../x/1"}).status_code != 500


def test_a_full_disk_is_said(
    browser: TestClient, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_of(browser.get(AT).text)
    file.parent.chmod(0o500)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("anlage.files.write.os.replace", full)
    answer = browser.post(AT, data={"text": "id: x\n", "base": base})
    file.parent.chmod(0o700)
    assert answer.status_code == 507
    assert "No space left on device" in answer.text
    assert "Traceback" not in answer.text
    assert b"proportionate-refusal" in file.read_bytes()
