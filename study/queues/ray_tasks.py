"""What runs on a worker of a cluster: one run, or a shard of the data generation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ...errors import AnlageError, RunDirectoryError
from ...llm.run_sync import run_sync
from ...pipeline.config import RunConfig
from ...pipeline.inputs import compile_for, training_prompts
from ...pipeline.models import RunModels
from ...pipeline.run import run
from ...pipeline.run_directory import RunDirectory
from ...pipeline.used_keys import FILE as USED_KEYS
from ...preferences.builders.registry import get_builder
from ...preferences.builders.roles import Models
from ..planning.sharing import LAST_STAGE
from .remote_store import RemoteStore
from .run_progress import FILE, FileProgress

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
    config = RunConfig.model_validate(yaml.safe_load(config_text))

    def store_of(directory: RunDirectory) -> RemoteStore:
        return RemoteStore(server, directory.path / USED_KEYS)

    progress = FileProgress(Path(config.runs) / config.name / FILE)
    try:
        _patiently(lambda: run(config, until=LAST_STAGE, progress=progress, store_of=store_of))
    except AnlageError as error:
        return str(error).splitlines()[-1][:300]
    except MemoryError:
        return "out of memory: lower `batch_size` or give each run more of a node"
    return ""


def generate_shard(config_text: str, server: Any, folder: str, shard: int, shards: int) -> int:
    """Builds the pairs of every n-th prompt; what stays of them is in the store.

    The run that comes after finds all its calls there. Returns the calls made.
    """
    os.chdir(folder)
    config = RunConfig.model_validate(yaml.safe_load(config_text))
    store = RemoteStore(server, None)
    models = RunModels(
        store, batch_size=config.batch_size, on_progress=lambda done, total: None, chat=config.chat
    )
    prompts = training_prompts(config)[shard::shards]
    settings = config.pairs.model_copy(update={"max_failed_share": 1.0})
    policy, critic = models.get(config.model), models.get(config.critic_model)
    build = get_builder(config.pairs.builder)
    roles = Models(policy, critic, comparator=critic)
    run_sync(build(prompts, compile_for(config), roles, settings))
    return models.calls


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
