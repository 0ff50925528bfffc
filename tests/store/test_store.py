"""The store: real SQLite files, real processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from anlage.errors import StoreError
from anlage.store.store import Store

WRITER = """
import sys
from anlage.store.store import Store
with Store(sys.argv[1]) as store:
    for number in range(40):
        store.put_many("call", {f"{sys.argv[2]}-{number}": number, f"both-{number}": sys.argv[2]})
"""


def test_values_come_back_from_another_store_object(tmp_path: Path) -> None:
    with Store(tmp_path / "deep" / "cache.sqlite") as store:
        store.put_many("call", {"a": {"text": "ü\n", "n": [1, None]}, "b": 0.1})
        store.put_many("score", {"a": "other kind"})
    with Store(tmp_path / "deep" / "cache.sqlite") as store:
        assert store.get_many("call", ["a", "b", "c"]) == {
            "a": {"text": "ü\n", "n": [1, None]},
            "b": 0.1,
        }
        assert store.get_many("score", ["a"]) == {"a": "other kind"}
        assert [store.count(kind) for kind in ("call", "score", "reference")] == [2, 1, 0]


def test_more_keys_than_sqlite_takes_in_one_query() -> None:
    with Store(":memory:") as store:
        rows = {str(number): number for number in range(1700)}
        store.put_many("reference", rows)
        assert store.get_many("reference", [*rows, "1700"]) == rows


def test_first_value_stays() -> None:
    with Store(":memory:") as store:
        store.put_many("call", {"a": 1})
        store.put_many("call", {"a": 2, "b": 3})
        assert store.get_many("call", ["a", "b"]) == {"a": 1, "b": 3}


def test_one_bad_row_stores_nothing() -> None:
    with Store(":memory:") as store:
        with pytest.raises(TypeError):
            store.put_many("call", {"a": 1, "b": object()})
        with pytest.raises(ValueError, match="JSON compliant"):
            store.put_many("call", {"a": 1, "b": float("nan")})
        assert store.count("call") == 0


def test_many_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    # SQLite does not wait by itself while several change a new file to its log form.
    problems: list[StoreError] = []

    def open_and_write(path: Path, number: int, together: threading.Barrier) -> None:
        together.wait()
        try:
            with Store(path) as store:
                store.put_many("call", {str(number): number})
        except StoreError as error:
            problems.append(error)

    for turn in range(15):
        path = tmp_path / f"{turn}.sqlite"
        together = threading.Barrier(8)
        threads = [
            threading.Thread(target=open_and_write, args=(path, number, together))
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems
        with Store(path) as store:
            assert store.count("call") == 8


def test_two_processes_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("x", "y")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    with Store(path) as store:
        assert store.count("call") == 120
        names = {f"{name}-{number}": number for name in ("x", "y") for number in range(40)}
        assert store.get_many("call", names) == names


def test_threads_share_one_store(tmp_path: Path) -> None:
    with Store(tmp_path / "cache.sqlite") as store:

        def work(name: int) -> None:
            for number in range(30):
                store.put_many("call", {f"{name}-{number}": number})
                assert store.get_many("call", [f"{name}-{number}"])

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.count("call") == 120


def test_a_damaged_value_names_its_key(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with Store(path) as store:
        store.put_many("call", {"good": 1, "bad": 2})
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entries SET value = '{' WHERE key = 'bad'")
    with Store(path) as store:
        assert store.get_many("call", ["good"]) == {"good": 1}
        with pytest.raises(StoreError, match="call bad is damaged"):
            store.get_many("call", ["good", "bad"])


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="move it away"):
        Store(path)


def test_a_store_of_a_later_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        Store(path)


def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "cache.sqlite") as store:
        store.put_many("call", {"a": 1})
        db = store._db
        assert db is not None
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="Free some disk space"):
            store.put_many("call", {"b": 2, "c": "x" * 100_000})
        assert store.get_many("call", ["a", "b", "c"]) == {"a": 1}


def test_a_closed_store_and_an_unknown_kind() -> None:
    store = Store(":memory:")
    with pytest.raises(ValueError, match="unknown kind 'calls'"):
        store.count("calls")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.get_many("call", ["a"])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot open"):
        Store(tmp_path / "file" / "cache.sqlite")
