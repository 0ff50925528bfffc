"""Starting the studio: its address first, no heavy import, faults in words."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ..helpers.studio import client, make_folder


def test_starting_loads_nothing_heavy() -> None:
    code = (
        "import sys; from anlage.studio.app import make_app; from pathlib import Path;"
        "make_app(Path('.'), 't');"
        "print([n for n in ('torch', 'transformers', 'pandas', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_address_comes_first_and_works(tmp_path: Path) -> None:
    make_folder(tmp_path)
    command = [sys.executable, "-m", "anlage.cli", "studio", str(tmp_path), "--port", "0"]
    process = subprocess.Popen([*command, "--no-open"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
        assert b"Open the studio" in urllib.request.urlopen(address, timeout=60).read()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address.split("?")[0], timeout=60)
    finally:
        process.terminate()
        process.wait(20)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "anlage.cli", "studio", str(tmp_path), "--port", str(port)]
        wide = {**os.environ, "COLUMNS": "200"}
        done = subprocess.run([*command, "--no-open"], capture_output=True, text=True, env=wide)
    assert done.returncode == 2
    assert f"port {port} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_folder_says_how_to_begin(tmp_path: Path) -> None:
    browser = client(tmp_path)
    assert "There are no runs here yet" in browser.get("/").text
    for page in ("/write", "/plan", "/compare", "/try"):
        assert browser.get(page).status_code == 200
    assert browser.get("/no/such/page").status_code == 404


def test_a_config_is_written_checked_and_never_overwritten(tmp_path: Path) -> None:
    browser = client(tmp_path)
    form = {"name": "mine", "model": "smollm2-135m", "library": "guardian", "sets": "harm",
            "limit": "2", "max_calls": "10"}  # fmt: skip
    page = browser.post("/plan", data=form).text
    assert "In order" in page
    assert "over refusal" in page or "opposite is guarded" in page
    assert browser.post("/plan", data=form).status_code == 400
    assert browser.post("/plan", data={**form, "name": "../x"}).status_code == 404
    wrong = browser.post("/plan", data={**form, "name": "other", "sets": "no_such_set"}).text
    assert "Mend this" in wrong
    assert "no_such_set" in wrong
