"""Which checkpoint is whole, and which is the newest of those."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ..errors import StoreError
from ..files.write import replacing

SEAL = "complete.json"
_PREFIX = "checkpoint-"


def seal(folder: str | Path, step: int) -> None:
    """Marks the checkpoint of `step` as whole: names and sizes of its files, written last."""
    checkpoint = Path(folder) / f"{_PREFIX}{step}"
    write_json(checkpoint / SEAL, {"step": step, "files": _sizes(checkpoint)})


def is_complete(checkpoint: Path) -> bool:
    """Whether the seal is there and every file it names has its size."""
    try:
        sealed = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(sealed == _sizes(checkpoint))


def latest_complete(folder: Path) -> tuple[Path, int] | None:
    """The newest whole checkpoint and its step, or None. Removes the others it passes.

    A training killed while it wrote a checkpoint leaves a part of one behind.
    """
    found = []
    for path in folder.glob(f"{_PREFIX}*"):
        number = path.name.removeprefix(_PREFIX)
        if number.isdigit() and path.is_dir():
            found.append((int(number), path))
    for step, path in sorted(found, reverse=True):
        if is_complete(path):
            return path, step
        shutil.rmtree(path)
    return None


def write_json(path: Path, value: object) -> None:
    """Writes JSON whole or not at all.

    Raises:
        StoreError: The file cannot be written.
    """
    try:
        with replacing(path) as scratch, scratch.open("w", encoding="utf-8") as file:
            json.dump(value, file, indent=2, sort_keys=True, ensure_ascii=False)
            file.write("\n")
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}. Free some disk space or choose "
            "another folder, then run the same command again."
        ) from error


def _sizes(checkpoint: Path) -> dict[str, int]:
    return {
        path.relative_to(checkpoint).as_posix(): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != SEAL
    }
