"""`anlage cache` and what lies behind it: real stores, real processes, no secrets."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from anlage.cli.app import app
from anlage.errors import ConfigurationError
from anlage.llm.cached import CachedModel
from anlage.llm.message import Message
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel
from anlage.pipeline.run import run
from anlage.pipeline.run_directory import RunDirectory
from anlage.pipeline.used_keys import FILE, open_store, read_used_keys, used_by_runs
from anlage.store.contents import find, select, totals
from anlage.store.store import Store
from typer.testing import CliRunner

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model

DAY = 86400
TASKS = """
import asyncio, json, sys
from anlage.store.store import Store
from anlage.llm.cached import CachedModel
from anlage.llm.request import Request
from anlage.llm.scripted import ScriptedModel
from anlage.llm.message import Message

inner = ScriptedModel(batch_size=4)
model = CachedModel(inner, Store(sys.argv[1]))

async def task(name):
    texts = []
    for number in range(6):
        # Half of the questions are this task's own, half are asked by every task there is.
        asked = [Request((Message("user", f"{w} {number} about rivers"),)) for w in (name, "all")]
        texts += [answer.text for answer in await model.complete(asked)]
        await asyncio.sleep(0)
    return texts

async def main():
    return await asyncio.gather(*(task(f"{sys.argv[2]}{n}") for n in range(64)))

print(json.dumps(asyncio.run(main())))
"""


def call(*arguments: str) -> tuple[int, str]:
    """Exit code and output; the code of our own errors as the program itself gives it."""
    done = CliRunner().invoke(app, ["cache", *arguments])
    if isinstance(done.exception, ConfigurationError):
        return done.exception.exit_code, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    with Store(tmp_path / "cache.sqlite") as store:
        model = CachedModel(
            ScriptedModel([("gate", "Over the gate \x1b[2J \x9b2J and on.")]), store
        )
        asked = [Request((Message("user", "Where is the gate?"),), prefill="Well,")]
        asyncio.run(model.complete(asked))
        asyncio.run(model.score([(asked[0], "Over the gate.")]))
        store.put_many("reference", {"f" * 64: 1.5}, model="openai:some-chat")
    age(tmp_path, "reference", 40)
    return tmp_path


def age(runs: Path, kind: str, days: int) -> None:
    with sqlite3.connect(runs / "cache.sqlite") as db:
        db.execute(
            "UPDATE entries SET stored = ? WHERE kind = ?", [int(time.time()) - days * DAY, kind]
        )


def kinds(runs: Path) -> list[str]:
    with Store(runs / "cache.sqlite") as store:
        return [entry.kind for entry in store.entries()]


def test_ls_and_stats_show_kind_model_date_and_size(runs: Path) -> None:
    code, out = call("ls", "--runs", str(runs))
    assert code == 0
    assert "3 values" in out
    assert all(word in out for word in ("call", "score", "reference", "openai:some-chat"))
    today = time.strftime("%Y-%m-%d", time.gmtime())
    for words, expected in (
        (["--kind", "score"], 1),
        (["--model", "some-chat"], 1),
        (["--before", today], 1),
        (["--after", today], 2),
        (["--kind", "score", "--model", "some-chat"], 0),
    ):
        assert f"{expected} values" in call("ls", "--runs", str(runs), *words)[1], words
    out = call("stats", "--runs", str(runs))[1]
    assert "3 values" in out
    assert f"has {(runs / 'cache.sqlite').stat().st_size:,} bytes" in out


def test_show_gives_the_whole_call_and_no_escape_sequence(runs: Path) -> None:
    with Store(runs / "cache.sqlite") as store:
        key = store.entries("call")[0].key
    code, out = call("show", key[:10], "--runs", str(runs))
    assert code == 0
    for part in (key, "Where is the gate?", "Well,", "and on.", "outcome: ok", "tokens: 4 in"):
        assert part in out
    assert "\x1b" not in out
    assert "\x9b" not in out
    assert "1.5" in call("show", "ffff", "--runs", str(runs))[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "abc"), "too short"),
        (("show", "0123456789"), "none of 3 keys begins"),
        (("ls", "--kind", "calls"), "no kind 'calls'"),
        (("ls", "--after", "May"), "'May' is no date"),
        (("gc",), "everything would go"),
        (("gc", "--older-than", "soon"), "'soon' is no age"),
    ],
)
def test_mistakes_are_told(runs: Path, words: tuple[str, ...], message: str) -> None:
    code, out = call(*words, "--runs", str(runs))
    assert (code, message in out) == (2, True), out


def test_no_store_is_not_made(tmp_path: Path) -> None:
    assert "no store here" in call("stats", "--runs", str(tmp_path))[1]
    assert not (tmp_path / "cache.sqlite").exists()


def test_gc_is_a_dry_run_until_yes(runs: Path) -> None:
    code, out = call("gc", "--older-than", "30d", "--runs", str(runs))
    assert (code, "Would delete 1 values" in out) == (0, True)
    assert len(kinds(runs)) == 3
    assert "Deleted 1 values" in call("gc", "--older-than", "30d", "--yes", "--runs", str(runs))[1]
    assert kinds(runs) == ["call", "score"]
    assert "Deleted 0" in call("gc", "--model", "other", "--yes", "--runs", str(runs))[1]
    assert "Deleted 2" in call("gc", "--model", "scripted", "--yes", "--runs", str(runs))[1]
    assert kinds(runs) == []


def test_a_store_of_the_first_version_keeps_its_values_and_counts_as_old(tmp_path: Path) -> None:
    file = tmp_path / "cache.sqlite"
    with sqlite3.connect(file) as db:
        db.execute(
            "CREATE TABLE entries (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, "
            "PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        db.execute("INSERT INTO entries VALUES ('call', 'abcdef', '{\"a\": 1}')")
        db.execute("PRAGMA user_version = 1")
    with Store(file) as store:
        assert store.get_many("call", ["abcdef"]) == {"abcdef": {"a": 1}}
        store.put_many("call", {"new": 2}, model="m")
        assert [(e.key, e.model, e.stored > 0) for e in store.entries()] == [
            ("abcdef", "", False),
            ("new", "m", True),
        ]
        assert [e.key for e in select(store.entries(), before=int(time.time()) - DAY)] == ["abcdef"]
        assert find(store, "abcd")[1] == {"a": 1}
        assert {t.model: (t.count, t.oldest > 0) for t in totals(store.entries())} == {
            "": (1, False),
            "m": (1, True),
        }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("used")
    config = tiny_run_config(folder, make_tiny_model(folder / "model"), name="one")
    run(config, until="pairs")
    return folder


def test_gc_unused_deletes_what_no_run_asked_for_and_nothing_else(finished: Path) -> None:
    with Store(finished / "cache.sqlite") as store:
        store.put_many("call", {"0" * 64: {"left": "over"}})
        entries = store.entries()
    used = used_by_runs(finished)
    assert used.runs == 1
    assert {(e.kind, e.key) for e in entries} - used.rows == {("call", "0" * 64)}
    assert "Deleted 1 values" in call("gc", "--unused", "--yes", "--runs", str(finished))[1]
    file = finished / "one" / "config.yaml"
    (finished / "one" / "30_pairs.jsonl").unlink()
    assert run(file, until="pairs").calls == 0


def test_what_an_older_run_uses_is_unknown_and_gc_says_so(finished: Path) -> None:
    file = finished / "one" / FILE
    kept = file.read_bytes()
    file.unlink()
    code, out = call("gc", "--unused", "--yes", "--runs", str(finished))
    assert (code, "not written down: one" in out) == (2, True)
    with open_store(RunDirectory(finished / "one")) as store:  # and no half list is begun
        store.put_many("call", {"half": 1})
        store.delete_many([("call", "half")])
    assert not file.exists()
    file.write_bytes(kept)


def test_used_keys_hold_what_was_found_as_well_as_what_was_stored(finished: Path) -> None:
    before = read_used_keys(finished / "one" / FILE)
    config = tiny_run_config(finished, finished / "model", name="two")
    done = run(config, until="pairs")  # everything comes from the store
    assert done.calls == 0
    assert read_used_keys(done.path / FILE) == before


def test_two_processes_of_64_tasks_share_one_store(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TASKS, str(path), name], stdout=subprocess.PIPE, text=True
        )
        for name in ("x", "y")
    ]
    outputs = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    with Store(path) as store:
        assert store.count("call") == 2 * 64 * 6 + 6
    shared = [[texts[1::2] for texts in json.loads(output)] for output in outputs]
    assert all(texts == shared[0][0] for process in shared for texts in process)


def test_no_secret_reaches_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-planted-0123456789abcdef"
    header = "header-planted-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    said = f"Sent {secret} with {{'Authorization': 'Bearer {header}'}} and x-api-key: {header}"
    with Store(tmp_path / "cache.sqlite") as store:
        model = CachedModel(ScriptedModel([("key", said)]), store)
        asked = [Request((Message("user", f"Is the key {secret} good?"),))]
        fresh = asyncio.run(model.complete(asked))[0]
        again = asyncio.run(model.complete(asked))[0]
        assert (again.key, again.text) == (fresh.key, fresh.text)
        assert again.cached
        assert "Sent [redacted] with" in again.text
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"planted" not in kept
