"""Which stored values a run uses: written down as it asks, read when the store is tidied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..files.write import append_lines
from ..store.store import Store
from .run_directory import RunDirectory

FILE = "used_keys.txt"
"""One line per stored value a run asked for: its kind, a space, its key."""


class RecordingStore(Store):
    """A store that writes down every key found or stored through it.

    The list is only ever longer than what the run needs: a value is on it before it
    is used, and repeating a stage with other settings leaves the old ones on it.

    Args:
        path: The store's file.
        record: The list; None writes none.

    Raises:
        StoreError: As `Store`, or the list cannot be read.
    """

    def __init__(self, path: str | Path, record: Path | None) -> None:
        super().__init__(path)
        self._record = record
        self._known = set() if record is None else read_used_keys(record)

    def get_many(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """As `Store.get_many`; what was found is written down."""
        found = super().get_many(kind, keys)
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
        """As `Store.put_many`; what is stored is written down first."""
        self._note(kind, rows)
        return super().put_many(kind, rows, model=model, instead=instead)

    def _note(self, kind: str, keys: Iterable[str]) -> None:
        if self._record is None:
            return
        with self._lock:
            fresh = [(kind, key) for key in keys if (kind, key) not in self._known]
            if not fresh:
                return
            try:
                append_lines(self._record, (f"{kind} {key}" for kind, key in fresh))
            except OSError as error:
                raise StoreError(
                    f"cannot write {self._record}: {error.strerror or error}. Free some space "
                    "and run the same command again: nothing stored is lost."
                ) from error
            self._known.update(fresh)


def read_used_keys(path: Path) -> set[tuple[str, str]]:
    """The (kind, key) rows of a list; none if there is no such file.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot read {path}: {error}. Check its rights.") from error
    rows = (line.partition(" ") for line in lines)
    return {(kind, key) for kind, _, key in rows if kind and key}


def open_store(run: RunDirectory) -> RecordingStore:
    """The store of a run, keeping the run's list of used values.

    A run begun by an earlier version gets no list: half a list would make the rest of
    what it uses look unused.

    Raises:
        StoreError: Store or list cannot be read or written.
    """
    record = run.path / FILE
    if run.manifest.stages and not record.exists():
        return RecordingStore(run.store, None)
    try:
        record.touch()
    except OSError as error:
        raise StoreError(f"cannot write {record}: {error}. Check the folder's rights.") from error
    return RecordingStore(run.store, record)


@dataclass(frozen=True, slots=True)
class UsedKeys:
    """What the runs beside one store use.

    Attributes:
        rows: (kind, key) of every stored value that some run asked for.
        runs: Number of runs that were read.
        unlisted: Names of runs without a list, made by an earlier version: what they
            use is not known.
    """

    rows: frozenset[tuple[str, str]]
    runs: int
    unlisted: tuple[str, ...]


def used_by_runs(folder: Path) -> UsedKeys:
    """Reads the lists of all run directories in a `runs` folder.

    Raises:
        StoreError: A list cannot be read.
    """
    rows: set[tuple[str, str]] = set()
    unlisted = []
    runs = sorted(file.parent for file in folder.glob("*/config.yaml"))
    for run in runs:
        if (run / FILE).exists():
            rows |= read_used_keys(run / FILE)
        elif (run / "manifest.json").exists():
            unlisted.append(run.name)
    return UsedKeys(frozenset(rows), len(runs), tuple(unlisted))
