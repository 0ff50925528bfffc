"""The one content-addressed store: a SQLite file shared by all runs.

Keys are hashes of everything a value depends on, so a value never changes: the
first one written under a key stays. Safe for threads and for several processes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from .errors import StoreError

KINDS: Final = ("call", "score", "reference", "evaluation")
"""What is stored: model calls, log-prob scores, reference log-probs, evaluation results."""

_SCHEMA_VERSION: Final = 1
_CHUNK: Final = 500  # keys per SELECT; SQLite's oldest limit is 999 variables
_BUSY_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 0.02


class Store:
    """A key-value store of JSON values in one SQLite file (WAL).

    A commit survives kill -9 of the process. After a power failure the last
    commits may be missing (the file itself stays sound): they are redone.

    Args:
        path: The file, made with its folders if missing; ":memory:" for none.

    Raises:
        StoreError: The file cannot be opened, is damaged, or was written by
            another version of Anlage.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        with self._translated("open"):
            if self.path != ":memory:":
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                self.path,
                timeout=_BUSY_SECONDS,
                check_same_thread=False,
                isolation_level=None,  # transactions are begun explicitly
            )
            try:
                self._prepare_patiently(self._db)
            except BaseException:
                self.close()
                raise

    def get_many(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """The stored values among `keys`; keys not stored are left out.

        Raises:
            StoreError: The store cannot be read, or a value in it is damaged.
        """
        _check_kind(kind)
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Any] = {}
        with self._lock, self._translated("read"):
            for start in range(0, len(wanted), _CHUNK):
                chunk = wanted[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                # Only question marks are put in; the keys themselves are bound.
                query = f"SELECT key, value FROM entries WHERE kind = ? AND key IN ({marks})"  # noqa: S608
                for key, value in self._connection().execute(query, [kind, *chunk]):
                    found[key] = self._decoded(kind, key, value)
        return found

    def put_many(self, kind: str, rows: Mapping[str, Any]) -> None:
        """Stores all rows in one transaction: all of them, or none.

        A key already stored keeps its first value.

        Raises:
            StoreError: The store cannot be written (disk full, locked, read-only).
            TypeError: A value is not JSON (a defect of the caller).
            ValueError: A value holds NaN or infinity, or half of a surrogate pair.
        """
        _check_kind(kind)
        if not rows:
            return
        encoded = [
            (kind, key, json.dumps(value, ensure_ascii=False, allow_nan=False))
            for key, value in rows.items()
        ]
        with self._lock, self._translated("write"):
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                db.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", encoded)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def count(self, kind: str) -> int:
        """Number of stored values of a kind."""
        _check_kind(kind)
        with self._lock, self._translated("read"):
            row = self._connection().execute("SELECT COUNT(*) FROM entries WHERE kind = ?", [kind])
            return int(row.fetchone()[0])

    def close(self) -> None:
        """Closes the file. A second call does nothing."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"the store {self.path} is closed; open it again with Store(path).")
        return self._db

    def _prepare_patiently(self, db: sqlite3.Connection) -> None:
        """Prepares the file, again while another process prepares the same one.

        SQLite does not wait its busy time for the change to the write-ahead log:
        two processes that meet in it would block each other, so one is told at
        once that the database is locked.
        """
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                return self._prepare(db)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error).lower() or time.monotonic() > until:
                    raise
                time.sleep(_RETRY_SECONDS)

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version not in (0, _SCHEMA_VERSION):
            raise StoreError(
                f"{self.path} has store version {version}, this Anlage reads {_SCHEMA_VERSION}; "
                "use the Anlage that wrote it, or another file."
            )
        if version == 0:
            # Two processes may both come here; both statements can be repeated.
            db.execute(
                "CREATE TABLE IF NOT EXISTS entries (kind TEXT NOT NULL, key TEXT NOT NULL, "
                "value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
            )
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def _decoded(self, kind: str, key: str, value: str) -> Any:
        try:
            return json.loads(value)
        except ValueError as error:
            raise StoreError(
                f"{self.path}: the value of {kind} {key} is damaged ({error}); move the file "
                "away, then run again: stored calls are redone."
            ) from error

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Turns SQLite's and the system's errors into a StoreError with advice."""
        try:
            yield
        except StoreError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"cannot {doing} the store {self.path}: {error}. {_advice(error)}"
            ) from error


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; one of {', '.join(KINDS)}")


def _advice(error: sqlite3.Error | OSError) -> str:
    text = str(error).lower()
    if "full" in text or "no space" in text:
        return "Free some disk space and run the same command again: nothing stored is lost."
    if "locked" in text or "busy" in text:
        return (
            f"Another process held it for {_BUSY_SECONDS:.0f} s; wait for it to end, "
            "then run the same command again."
        )
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return "The file is damaged: move it away and run again; stored calls are redone."
    return "Check that the folder exists, is writable and is on a local disk."
