"""Nobody but the user's own pages gets in, nothing hostile gets out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from anlage.studio.security import MAX_BODY
from starlette.testclient import TestClient

from ..helpers.studio import HOST, HOSTILE, TOKEN, client, make_folder

PAGES = (
    *("/", "/write", "/write/archetypes/guardian.yaml", "/try", "/plan", "/compare"),
    *("/runs/one/results", "/runs/one/pairs", "/runs/one/review", "/runs/one/reviewed"),
    *("/runs/one/live", "/runs/one/chat", "/files/studio.css", "/files/codemirror.min.mjs"),
)
WRITES = ("/new", "/runs/one/review", "/runs/one/stop", "/start", "/plan", "/runs/one/chat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("place")
    make_folder(path)
    (path.parent / "outside.yaml").write_text("id: secret\nai_failure_modes: []\n")
    (path / "linked.yaml").symlink_to(path.parent / "outside.yaml")
    return path


@pytest.fixture
def inside(folder: Path) -> Iterator[TestClient]:
    with client(folder) as found:
        yield found


@pytest.mark.parametrize("page", PAGES)
def test_every_page_needs_the_token(folder: Path, page: str) -> None:
    assert client(folder, enter=False).get(page).status_code == 403
    assert client(folder, enter=False).get(f"/?token=x{TOKEN}").status_code == 403
    assert client(folder).get(page).status_code == 200


@pytest.mark.parametrize("host", ["evil.example:8765", "127.0.0.1.evil.example", "10.0.0.1:8765"])
def test_a_foreign_host_name_is_refused(inside: TestClient, host: str) -> None:
    assert inside.get("/", headers={"host": host}).status_code == 403
    assert inside.get(f"/?token={TOKEN}", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("page", WRITES)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9", ""])
def test_a_foreign_page_changes_nothing(inside: TestClient, page: str, origin: str) -> None:
    assert inside.post(page, headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        *("../outside.yaml", "%2e%2e/outside.yaml", "..%2foutside.yaml", "linked.yaml"),
        *("/etc/passwd.yaml", ".hidden.yaml", "runs/one/30_pairs.jsonl", "a%00b.yaml"),
    ],
)
def test_paths_stay_in_the_folder(inside: TestClient, folder: Path, path: str) -> None:
    outside = folder.parent / "outside.yaml"
    before = outside.read_text()
    assert inside.get(f"/write/{path}").status_code == 404
    assert inside.post(f"/write/{path}", data={"text": "x", "base": ""}).status_code == 404
    assert outside.read_text() == before


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "one%2f..%2fone", "nothing"])
def test_a_run_is_one_of_the_folder(inside: TestClient, name: str) -> None:
    assert inside.get(f"/runs/{name}/pairs").status_code == 404


def test_too_much_is_not_taken(inside: TestClient) -> None:
    big = "x" * (MAX_BODY + 1)
    assert inside.post("/lint/archetypes/guardian.yaml", data={"text": big}).status_code == 413

    def parts() -> Iterator[bytes]:  # without a length
        for _ in range(11):
            yield b"x" * 100_000

    assert inside.post("/lint/archetypes/guardian.yaml", content=parts()).status_code == 413


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("/files")])
def test_no_page_runs_a_script_of_its_own(inside: TestClient, page: str) -> None:
    answer = inside.get(page)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    nonce = policy.split("script-src 'nonce-")[1].split("'")[0]
    assert answer.text.count("<script") == answer.text.count(f'<script nonce="{nonce}" src="/files')
    assert " style=" not in answer.text
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
    assert inside.get(page).headers["content-security-policy"] != policy, "one nonce per page"


def test_text_of_models_is_escaped(inside: TestClient) -> None:
    page = inside.get("/runs/one/pairs?q=house+3%3F").text
    assert HOSTILE not in page
    assert "&lt;script&gt;alert" in page
    assert HOSTILE not in inside.get(f"/runs/one/pairs?q={HOSTILE}").text


def test_a_report_may_style_itself_and_run_nothing(inside: TestClient) -> None:
    policy = inside.get("/runs/one/report").headers["content-security-policy"]
    assert "script-src" not in policy
    assert "sandbox" in policy


def test_the_cookie_is_for_this_site_and_no_script(folder: Path) -> None:
    entered = client(folder, enter=False).get(f"/?token={TOKEN}")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert HOST.rpartition(":")[2] in cookie.split("=")[0], "two studios keep apart"
