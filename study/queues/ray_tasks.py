"""The tasks of a worker on a Ray cluster (one run, or one shard of pair building), and its store.

SQLite must not be shared over a network file system, so the file stays with one actor.
A call is committed there before its result is used, as on one machine. If a worker dies,
no answered call is lost.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from ...critic.calibrate import Calibration
from ...errors import AnlageError, RunDirectoryError
from ...llm.request import Model
from ...llm.run_sync import run_sync
from ...pipeline.config import RunConfig
from ...pipeline.inputs import compile_for, training_prompts
from ...pipeline.models import RunModels
from ...pipeline.pairs_stage import build_round
from ...pipeline.progress import StageProgress
from ...pipeline.resolved import Resolved, RoleModel
from ...pipeline.run import models_of, run
from ...pipeline.run_directory import RunDirectory, open_run
from ...pipeline.stages import calibrate_for
from ...pipeline.used_keys import FILE as USED_KEYS
from ...pipeline.used_keys import RecordingStore, read_used_keys
from ...store.store import Store
from ..planning.sharing import LAST_STAGE
from .run_progress import FILE, FileProgress


class StoreServer:
    """Holds the store's file; made a Ray actor by the queue.

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
        self, kind: str, rows: Mapping[str, Any], *, model: str = "", instead: Iterable[str] = ()
    ) -> int:
        """Stores all rows on the server; returns once they are committed."""
        import ray

        self._note(kind, rows)
        put = self._server.put_many
        stored: int = ray.get(put.remote(kind, dict(rows), model, list(instead)))
        return stored


_LOCKED_TRIES = 40
_LOCKED_SECONDS = 1.5


def run_arm(config_text: str, server: Any, folder: str) -> str:
    """Runs one arm; returns "" or the reason of its failure.

    A worker that dies is replaced by Ray, and the replacement goes on at the last stored
    call or checkpoint. It may meet the lock of the dying one for a moment, so it waits.

    Args:
        config_text: The resolved config as YAML.
        server: The store's actor.
        folder: Folder that relative paths start from; on a disk all nodes share.
    """
    os.chdir(folder)
    resolved = _resolved(config_text)

    def store_of(directory: RunDirectory) -> RemoteStore:
        return RemoteStore(server, directory.path / USED_KEYS)

    progress = FileProgress(resolved.folder / FILE)
    try:
        _patiently(lambda: run(resolved, until=LAST_STAGE, progress=progress, store_of=store_of))
    except AnlageError as error:
        return str(error).splitlines()[-1][:300]
    except MemoryError:
        return "out of memory: lower `batch_size` or give each run more of a node"
    return ""


def calibrate_run(config_text: str, server: Any, folder: str) -> Calibration:
    """Measures a run's comparator before its pairs are generated in shards.

    Claims the run's directory, too, where shards write down what their calls cost. The run
    that comes after finds the calls in the store.
    """
    os.chdir(folder)
    return measure_run(_resolved(config_text), RemoteStore(server, None))


def measure_run(resolved: Resolved, store: Store) -> Calibration:
    """Claims the run's directory and measures the comparator as the run does."""
    open_run(resolved)
    comparator = _models(resolved, store).get(resolved.calibrated)
    return run_sync(calibrate_for(resolved, comparator, compile_for(resolved)))


def generate_shard(
    config_text: str, server: Any, folder: str, calibration: Calibration, shard: int, shards: int
) -> int:
    """Builds the pairs of every n-th prompt, the first at `shard`; what stays is in the store.

    The run that comes after finds all its calls there. Returns the calls made. A shard's batches
    are not those of a whole run, so in bf16 a local model's answers may differ from it in a few
    tokens, as with another `batch_size`; what is in the store then holds for all runs of the study.
    """
    os.chdir(folder)
    return build_shard(
        _resolved(config_text), RemoteStore(server, None), calibration, shard, shards
    )


def build_shard(
    resolved: Resolved, store: Store, calibration: Calibration, shard: int, shards: int
) -> int:
    """Asks what the run asks for every n-th prompt; returns the calls made."""
    models = _models(resolved, store)

    def model_of(role: RoleModel) -> Model:
        return models.get(role.spec)  # only of round 1, which nothing was trained before

    work = build_round(
        training_prompts(resolved)[shard::shards],
        compile_for(resolved),
        resolved.roles(0),
        # Too many failed attempts are for the run to complain of, which sees all of them.
        resolved.pairs(0).model_copy(update={"max_failed_share": 1.0}),
        model_of=model_of,
        gate=calibration.allows_of if calibration.slices else None,
    )
    run_sync(work)
    return models.calls


def _resolved(config_text: str) -> Resolved:
    return Resolved(RunConfig.model_validate(yaml.safe_load(config_text)))


def _models(resolved: Resolved, store: Store) -> RunModels:
    progress = StageProgress(Console(quiet=True), quiet=True)
    return models_of(resolved, RunDirectory(resolved.folder), store, progress)


def _patiently(work: Callable[[], object]) -> None:
    for attempt in range(_LOCKED_TRIES):
        try:
            work()
        except RunDirectoryError as error:
            if "in use" not in str(error) or attempt + 1 == _LOCKED_TRIES:
                raise
            time.sleep(_LOCKED_SECONDS)
        else:
            return
