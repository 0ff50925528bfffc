"""Every screen in a real browser, by keyboard alone: no complaint, no request to anybody else."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anlage.inspection.judgements import sheet_of, sheet_rows
from anlage.pipeline.run_directory import RunDirectory

from ..helpers.studio import INVERTED, a_pair, make_folder

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
MISSING = [
    name
    for name in ("playwright", "axe_playwright_python")
    if importlib.util.find_spec(name) is None
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
SCREENS = (
    *("/", "/write", "/write/archetypes/guardian.yaml", "/try", "/plan?config=small.yaml"),
    *("/compare?first=one&second=two", "/runs/one/results", "/runs/one/pairs"),
    *(f"/runs/one/pairs/{a_pair(INVERTED).id}", "/runs/one/review", "/runs/one/review/reviewer-1"),
    *("/runs/one/reviewed", "/runs/one/live", "/runs/one/chat"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("place")
    run = make_folder(path)
    shutil.copytree(run.path, path / "runs" / "two")
    os.utime(path / "runs" / "two" / "manifest.json", (0, 0))  # the older one stands below
    return path


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "anlage.cli", "studio", str(folder), "--port", "0"]
    with subprocess.Popen([*command, "--no-open"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, address: str) -> Iterator[Page]:
    """A page of one width; at its end nothing was said on the console and nobody else asked."""
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    foreign: list[str] = []
    host = address.split("/?")[0]

    def asked(found: Any) -> None:
        if not found.url.startswith((host, "data:")):
            foreign.append(found.url)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": request.param, "height": 800}, base_url=host
        )
        found = context.new_page()
        found.on("console", lambda message: said.append(message.text))
        found.on("pageerror", lambda error: said.append(str(error)))
        found.on("request", asked)
        found.goto(address)
        found.wait_for_url(f"{host}/")
        yield found
        browser.close()
    assert said == []
    assert foreign == []


def complaints(page: Page) -> list[str]:
    """What axe holds serious or critical on the page as it stands."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:120]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def focus(page: Page, text: str) -> None:
    """Presses Tab until the focus is on a link, button or field with this text or label."""
    seen = []
    for _ in range(200):
        page.keyboard.press("Tab")
        what = page.evaluate(
            "(() => { const e = document.activeElement; return (e.innerText || "
            "(e.labels && e.labels[0] && e.labels[0].innerText) || '').trim(); })()"
        )
        seen.append(what)
        if what.startswith(text):
            return
    raise AssertionError(f"no way to {text!r} by Tab: {seen[:40]}")


def test_every_screen_is_sound(page: Page, folder: Path) -> None:
    from anlage.inspection.judgements import open_sheet

    open_sheet(RunDirectory(folder / "runs" / "one"), "reviewer-1", limit=30)
    found = {}
    for path in SCREENS:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        page.wait_for_timeout(400)
        wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not wide, f"{path} is wider than the window"
        if wrong := complaints(page):
            found[path] = wrong
    assert found == {}


def test_dark_mode_is_sound(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    for path in ("/", "/write/archetypes/guardian.yaml", "/runs/one/results", "/runs/one/pairs"):
        page.goto(path)
        page.wait_for_timeout(400)
        assert complaints(page) == [], path


def test_the_inverted_pair_is_found_and_flagged_by_keyboard(page: Page, folder: Path) -> None:
    from anlage.inspection.judgements import flag, flags

    run = RunDirectory(folder / "runs" / "one")
    flag(run, a_pair(INVERTED).id, wrong=False)
    focus(page, "Pairs")
    page.keyboard.press("Enter")
    page.wait_for_url("**/pairs")
    focus(page, a_pair(INVERTED).id)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{a_pair(INVERTED).id}")
    focus(page, "Flag")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Take the flag back")
    assert a_pair(INVERTED).id in flags(run)


def test_filters_follow_typing(page: Page) -> None:
    page.goto("/runs/one/pairs")
    focus(page, "Words")
    page.keyboard.type("house 12")
    page.wait_for_selector("text=1 of 30 pairs")
    assert "q=house" in page.url, "the address can be kept"


def test_a_review_by_its_keys(page: Page, folder: Path) -> None:
    name = f"by-key-{page.viewport_size and page.viewport_size['width']}"
    page.goto("/runs/one/review")
    focus(page, "Your name")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=0 of 30 done")
    source = page.content()
    assert not re.search(r"smollm2|chosen|rejected|by construction", source)
    for number, key in enumerate("abts", 1):
        page.wait_for_load_state()  # the keys are heard once the script is there
        page.keyboard.press(key)
        page.wait_for_selector(f"text={number} of 30 done")
    page.wait_for_load_state()
    page.keyboard.press("u")
    page.wait_for_selector("text=3 of 30 done")
    rows = sheet_rows(sheet_of(RunDirectory(folder / "runs" / "one"), name))
    assert [row.better for row in rows[:4]] == ["A", "B", "tie", ""]


def test_writing_shows_problems_and_saves(page: Page, folder: Path) -> None:
    file = folder / "archetypes" / "guardian.yaml"
    before = file.read_text()
    page.goto("/write/archetypes/guardian.yaml")
    page.wait_for_selector(".cm-editor")
    page.wait_for_selector("text=The linter has no objection.")
    focus(page, "# yaml")
    page.keyboard.press("Control+Home")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowUp")
    page.keyboard.type("colour: red")
    page.wait_for_selector(".problems .error >> text=colour")
    page.wait_for_selector(".cm-lint-marker-error")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+z")
    for _ in range(30):
        page.keyboard.press("Control+z")
    page.wait_for_selector("text=The linter has no objection.")
    page.keyboard.press("Control+End")
    page.keyboard.type("# a last line")
    focus(page, "Save")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Saved.")
    assert file.read_text().rstrip() == f"{before.rstrip()}\n# a last line"
    file.write_text(before)


def test_a_run_is_followed_while_it_works(page: Page, folder: Path) -> None:
    run = folder / "runs" / "two"
    (run / "40_training").mkdir(exist_ok=True)
    metrics = run / "40_training" / "metrics.jsonl"
    metrics.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.5}\n')
    with (run / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        page.goto("/runs/two/live")
        page.wait_for_selector("text=2 → 1.5, 2 steps")
        with metrics.open("a") as file:
            file.write('{"step": 3, "loss": 1.0}\n{"step": 4, "lo')
        page.wait_for_selector("text=2 → 1, 3 steps")
        assert page.is_visible("text=Stop it")
    page.wait_for_selector("text=Stop it", state="detached")


def test_without_script_the_same_can_be_done(address: str, folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = browser.new_context(java_script_enabled=False).new_page()
        found.goto(address)
        found.wait_for_url(f"{address.split('/?')[0]}/")
        found.goto(f"{address.split('/?')[0]}/runs/one/pairs")
        found.fill("input[name=q]", "house 12")
        found.click("button:has-text('Filter')")
        assert "1 of 30 pairs" in found.content()
        found.goto(f"{address.split('/?')[0]}/write/archetypes/guardian.yaml")
        found.fill("textarea", "id: x")
        found.click("button:has-text('Check without saving')")
        assert "Checked, not saved" in found.content()
        browser.close()
