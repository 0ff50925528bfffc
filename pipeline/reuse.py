"""Taking a stage's result over from a run beside this one that has already made it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..errors import RunDirectoryError
from ..files.write import append_lines
from .manifest import Manifest
from .used_keys import FILE as USED_KEYS
from .used_keys import read_used_keys

_SHARED = {
    "calibration": None,
    "pairs": None,
    "training": "40_training",  # the whole folder: chat and the report read more than the outputs
    "evaluation": None,
}
"""Stages whose result does not depend on the run's name, and the folder to copy."""
_LEFT_BEHIND = ("checkpoints", "*.sqlite*", ".lock", "*.part")


def adopt(run: Path, stage: str, key: str) -> str | None:
    """Copies the outputs of a finished stage with the same key from a neighbouring run.

    The key holds everything the stage depends on, and the neighbour's files are hashed
    before they are taken, so what is copied is what would have been made.

    Returns:
        Name of the run they came from; None where no neighbour has them.

    Raises:
        RunDirectoryError: They cannot be written.
    """
    if stage.split("/")[0] not in _SHARED:
        return None
    for file in sorted(run.parent.glob("*/manifest.json")):
        if file.parent == run:
            continue
        try:
            donor = Manifest(file.parent)
            if not donor.is_fresh(stage, key):
                continue
            outputs = tuple(donor.stages[stage].outputs)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a damaged neighbour is no neighbour
        folder = _SHARED[stage.split("/")[0]]
        if folder is not None and "/" in stage:  # one layer's
            folder = Path(outputs[0]).parent.as_posix()
        _copy(file.parent, run, (folder,) if folder else outputs)
        return file.parent.name
    return None


def _copy(donor: Path, run: Path, names: tuple[str | None, ...]) -> None:
    try:
        for name in filter(None, names):
            source, target = donor / name, run / name
            scratch = target.with_name(f".{target.name}.{os.getpid()}.part")
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                ignore = shutil.ignore_patterns(*_LEFT_BEHIND)
                shutil.copytree(source, scratch, ignore=ignore)
                shutil.rmtree(target, ignore_errors=True)
            else:
                shutil.copyfile(source, scratch)
            os.replace(scratch, target)
        # What the donor used is used here, too: the store must not be tidied under this run.
        if (run / USED_KEYS).exists() and (donor / USED_KEYS).exists():
            fresh = read_used_keys(donor / USED_KEYS) - read_used_keys(run / USED_KEYS)
            append_lines(run / USED_KEYS, (f"{kind} {key}" for kind, key in sorted(fresh)))
    except OSError as error:
        raise RunDirectoryError(
            f"cannot copy a result of {donor} to {run}: {error.strerror or error}. Free some "
            "space, then run the same command again; finished work is kept."
        ) from error
