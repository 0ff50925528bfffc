"""The one content-addressed store: a SQLite file shared by all runs.

Keys are hashes of everything a value depends on, so a value never changes: the
first one written under a key stays. Safe for threads and for several processes.
Beside each value stand the model it came from and the second it was stored; neither
is part of the key. Secrets of the environment are taken out of what is stored.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from ..errors import StoreError
from ..files.redaction import redact

VERSION: Final = 2
"""Version of the table; 2 added the columns `model` and `stored`."""
BUSY_SECONDS: Final = 60.0
"""How long a process waits for another one's write."""
_RETRY_SECONDS: Final = 0.02

INSERT: Final = (
    "INSERT OR IGNORE INTO entries (kind, key, value, model, stored) VALUES (?, ?, ?, ?, ?)"
)
LIST: Final = (
    "SELECT kind, key, model, stored, LENGTH(CAST(value AS BLOB)) FROM entries "
    "WHERE ? IS NULL OR kind = ? ORDER BY kind, key"
)
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS entries (kind TEXT NOT NULL, key TEXT NOT NULL, "
    "value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
)
_ADDED_COLUMNS: Final = ("model TEXT NOT NULL DEFAULT ''", "stored INTEGER NOT NULL DEFAULT 0")


def prepare(db: sqlite3.Connection, path: str) -> None:
    """Turns write-ahead logging on and brings the file to this version.

    A file of version 1 keeps its values; their model and date stay unknown.

    Raises:
        StoreError: The file was written by a later Anlage.
        sqlite3.OperationalError: Another process kept it locked all the time.
    """
    # SQLite does not wait its busy time for the change to the write-ahead log: two
    # processes that meet in it would block each other, so one is told at once that the
    # database is locked.
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return _prepare(db, path)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error).lower() or time.monotonic() > until:
                raise
            time.sleep(_RETRY_SECONDS)


def _prepare(db: sqlite3.Connection, path: str) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    if _version(db) in (0, 1):
        db.execute("BEGIN IMMEDIATE")
        try:
            _upgrade(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    if _version(db) != VERSION:
        raise StoreError(
            f"{path} has store version {_version(db)}, this Anlage reads {VERSION}; "
            "use the Anlage that wrote it, or another file."
        )


def _upgrade(db: sqlite3.Connection) -> None:
    # Two processes may both come here: the second finds the first one's work done.
    if _version(db) not in (0, 1):
        return
    db.execute(_TABLE)
    for column in _ADDED_COLUMNS:
        db.execute(f"ALTER TABLE entries ADD COLUMN {column}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def advice(error: sqlite3.Error | OSError) -> str:
    """What a person can do about an error of the file or the disk."""
    text = str(error).lower()
    if "full" in text or "no space" in text:
        return "Free some disk space and run the same command again: nothing stored is lost."
    if "locked" in text or "busy" in text:
        return (
            f"Another process held it for {BUSY_SECONDS:.0f} s; wait for it to end, "
            "then run the same command again."
        )
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return "The file is damaged: move it away and run again; stored calls are redone."
    return "Check that the folder exists, is writable and is on a local disk."


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


KINDS: Final = ("call", "score", "reference", "evaluation")
"""What is stored: model calls, log-prob scores, reference log-probs, evaluation results."""

_CHUNK: Final = 500  # keys per SELECT; SQLite's oldest limit is 999 variables


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored value, without the value.

    Attributes:
        kind: One of `KINDS`.
        key: Its key (64 hex digits for calls and scores).
        model: Fingerprint of the model it came from; "" where it was not written down.
        stored: When, in whole seconds since 1970 (UTC); 0 where it was not written down.
        size: Bytes of the value.
    """

    kind: str
    key: str
    model: str
    stored: int
    size: int


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
                timeout=BUSY_SECONDS,
                check_same_thread=False,
                isolation_level=None,  # transactions are begun explicitly
            )
            try:
                prepare(self._db, self.path)
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

    def put_many(
        self, kind: str, rows: Mapping[str, Any], *, model: str = "", instead: Iterable[str] = ()
    ) -> int:
        """Stores all rows in one transaction: all of them, or none.

        A key already stored keeps its first value.

        Args:
            kind: One of `KINDS`.
            rows: Key -> JSON value.
            model: Fingerprint of the model the values came from, for listing only.
            instead: Keys whose stored values are known to be wrong and give way.

        Returns:
            How many were written.

        Raises:
            StoreError: The store cannot be written (disk full, locked, read-only).
            TypeError: A value is not JSON (a defect of the caller).
            ValueError: A value holds NaN or infinity, or half of a surrogate pair.
        """
        _check_kind(kind)
        if not rows:
            return 0
        now = int(time.time())
        encoded = [
            (kind, key, redact(json.dumps(value, ensure_ascii=False, allow_nan=False)), model, now)
            for key, value in rows.items()
        ]
        with self._lock, self._translated("write"):
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                wrong = [(kind, key) for key in instead]
                db.executemany("DELETE FROM entries WHERE kind = ? AND key = ?", wrong)
                before = db.total_changes
                db.executemany(INSERT, encoded)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return db.total_changes - before

    def entries(self, kind: str | None = None) -> list[Entry]:
        """What is stored, without the values, by kind and key.

        Args:
            kind: Only this kind; None for all.

        Raises:
            StoreError: The store cannot be read.
        """
        if kind is not None:
            _check_kind(kind)
        with self._lock, self._translated("read"):
            found = self._connection().execute(LIST, [kind, kind])
            return [Entry(*row) for row in found]

    def delete_many(self, rows: Iterable[tuple[str, str]]) -> int:
        """Deletes (kind, key) rows in one transaction and gives the space back to the disk.

        Returns:
            How many were there.

        Raises:
            StoreError: The store cannot be written.
        """
        wanted = list(rows)
        with self._lock, self._translated("write"):
            db = self._connection()
            before = db.total_changes
            db.execute("BEGIN IMMEDIATE")
            try:
                db.executemany("DELETE FROM entries WHERE kind = ? AND key = ?", wanted)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            deleted = db.total_changes - before
            # Another process at work keeps the file as large as it is; a later call frees it.
            with suppress(sqlite3.OperationalError):
                db.execute("PRAGMA busy_timeout = 2000")
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
            return deleted

    def count(self, kind: str) -> int:
        """Number of stored values of a kind."""
        _check_kind(kind)
        with self._lock, self._translated("read"):
            row = self._connection().execute("SELECT COUNT(*) FROM entries WHERE kind = ?", [kind])
            return int(row.fetchone()[0])

    def models(self, kind: str) -> set[str]:
        """Fingerprints of the models that stored values of a kind come from."""
        _check_kind(kind)
        with self._lock, self._translated("read"):
            found = self._connection().execute(
                "SELECT DISTINCT model FROM entries WHERE kind = ?", [kind]
            )
            return {str(row[0]) for row in found}

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
                f"cannot {doing} the store {self.path}: {error}. {advice(error)}"
            ) from error


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; one of {', '.join(KINDS)}")
