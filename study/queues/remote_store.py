"""The call store as other machines use it: one actor reads and writes the file for all.

SQLite must not be shared over a network file system, so the file stays with one actor.
A call is committed there before its result is used, as on one machine. If a worker dies,
no answered call is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...pipeline.used_keys import RecordingStore, read_used_keys
from ...store.store import Store


class StoreServer:
    """Holds the store's file; made a Ray actor by the queue.

    Args:
        path: The file.

    Raises:
        StoreError: It cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._store = Store(path)

    def get_many(self, kind: str, keys: list[str]) -> dict[str, Any]:
        """As `Store.get_many`."""
        return self._store.get_many(kind, keys)

    def put_many(self, kind: str, rows: dict[str, Any], model: str, instead: list[str]) -> int:
        """As `Store.put_many`."""
        return self._store.put_many(kind, rows, model=model, instead=instead)


class RemoteStore(RecordingStore):
    """The store of one run on a worker, backed by a `StoreServer`.

    Args:
        server: Handle of the actor.
        record: The run's list of used values; None writes none.
    """

    def __init__(self, server: Any, record: Path | None) -> None:
        # No file is opened here, so the parents' own set-up is left out on purpose.
        self.path = "remote"
        self._lock = threading.RLock()
        self._db = None
        self._server = server
        self._record = record
        self._known = set() if record is None else read_used_keys(record)

    def get_many(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """The stored values among `keys`, asked of the server."""
        import ray

        found: dict[str, Any] = ray.get(self._server.get_many.remote(kind, list(keys)))
        self._note(kind, found)
        return found

    def put_many(
        self,
        kind: str,
        rows: Mapping[str, Any],
        *,
        model: str = "",
        instead: Iterable[str] = (),
    ) -> int:
        """Stores all rows on the server; returns once they are committed."""
        import ray

        self._note(kind, rows)
        put = self._server.put_many
        stored: int = ray.get(put.remote(kind, dict(rows), model, list(instead)))
        return stored
