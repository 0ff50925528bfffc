"""Writing files so that a kill leaves the old or the new one, and hashing them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RunDirectoryError
from .redaction import redact


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A neighbour of `path` to write; it takes the place of `path` once it is whole.

    Raises:
        OSError: The disk is full or the folder cannot be written; `path` is as before.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield scratch
        with open(scratch, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Writes UTF-8 text to a neighbour and renames it over `path`, secrets taken out.

    Raises:
        RunDirectoryError: The disk is full or the folder cannot be written.
    """
    try:
        with replacing(path) as scratch:
            scratch.write_text(redact(text), encoding="utf-8", newline="\n")
    except OSError as error:
        raise RunDirectoryError(
            f"cannot write {path}: {error.strerror or error}. "
            "Free some space or choose another `runs` folder, then run the same command again; "
            "finished work is kept."
        ) from error


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Appends lines of UTF-8 text; a line that a kill cut short stays a line of its own.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    with path.open("a+b") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write("".join(f"{line}\n" for line in lines).encode())


def write_json(path: Path, data: object) -> None:
    """Writes indented JSON with sorted keys, atomically."""
    write_atomically(path, json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def hash_path(path: Path) -> str:
    """SHA-256 (hex) of a file, or of a folder's file names and contents."""
    digest = hashlib.sha256()
    if path.is_dir():
        for child in sorted(item for item in path.rglob("*") if item.is_file()):
            digest.update(child.relative_to(path).as_posix().encode() + b"\0")
            digest.update(hash_path(child).encode())
        return digest.hexdigest()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
