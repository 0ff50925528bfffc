"""The store's table, its version, and advice for what SQLite complains about."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from ..errors import StoreError

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

    Args:
        db: The open file, in autocommit mode.
        path: Its name, for the message.

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
