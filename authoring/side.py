"""Loads one side of a diff: archetypes or a compiled constitution, also at a git revision."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..archetypes.loader import LIBRARY, read_archetypes
from ..archetypes.reference import FILE as REFERENCES
from ..archetypes.schema import Archetype
from ..constitution.compiler import constitution_of
from ..constitution.principle import Constitution
from ..constitution.yaml_form import load_constitution
from ..errors import ArchetypeError, ConfigurationError
from ..files.yaml_document import YamlDocument
from ..files.yaml_file import load_yaml


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared.

    Attributes:
        label: What the user gave.
        constitution: Its principles.
        archetypes: Archetype id -> file as read; empty for a compiled constitution.
        documents: Archetype id -> parsed file with its lines; empty likewise.
        prefix: Stands before a file's name when it is shown, such as `HEAD~1:`.
    """

    label: str
    constitution: Constitution
    archetypes: Mapping[str, Archetype]
    documents: Mapping[str, YamlDocument]
    prefix: str = ""

    def shown(self, file: str) -> str:
        """A file of this side as the user would find it."""
        return f"{self.prefix}{file}"


def load_side(spec: str) -> Side:
    """Reads a folder or file of archetypes, a compiled constitution, or `REVISION:PATH`.

    What only the linter objects to does not stop it: two drafts can be compared.

    Raises:
        ConfigurationError: There is nothing under that name, git does not know the
            revision or path, or the files do not validate.
    """
    if Path(spec).exists() or ":" not in spec:
        return _load(Path(spec), spec)
    revision, path = spec.split(":", 1)
    return _from_git(revision, path, Path())


def load_revision(revision: str, path: Path = LIBRARY) -> Side:
    """The state of a file or folder in a git revision.

    Raises:
        ConfigurationError: As `load_side`.
    """
    folder = path if path.is_dir() else path.parent
    return _from_git(revision, "./" if path.is_dir() else f"./{path.name}", folder)


def _load(path: Path, label: str) -> Side:
    if path.is_file() and _is_compiled(path):
        return Side(label, load_constitution(path), {}, {})
    readings, problems = read_archetypes(path)
    if problems:
        raise ArchetypeError(problems)
    archetypes = {r.archetype.id: r.archetype for r in readings if r.archetype}
    documents = {r.archetype.id: r.document for r in readings if r.archetype and r.document}
    folder = path if path.is_dir() else path.parent
    prefix = "" if folder == Path() else f"{folder.as_posix()}/"
    return Side(label, constitution_of(list(archetypes.values())), archetypes, documents, prefix)


def _is_compiled(path: Path) -> bool:
    data = load_yaml(path, max_bytes=8_000_000).data
    return isinstance(data, dict) and {"hash", "sources", "principles"} <= set(data)


def _from_git(revision: str, path: str, folder: Path) -> Side:
    spec = f"{revision}:{path}"
    if not revision or revision.startswith("-"):
        raise ConfigurationError.one(
            "X003", spec, f"{revision!r} is no git revision", "write REVISION:PATH, e.g. HEAD~1:."
        )
    is_folder = _git(folder, spec, "cat-file", "-t", spec).strip() == b"tree"
    stem = path.rstrip("/") if is_folder else path.rpartition("/")[0]
    tree = f"{revision}:{stem}/" if stem else f"{revision}:"
    listed = _git(folder, spec, "ls-tree", "--full-tree", "--name-only", "-z", tree).decode(
        "utf-8", "replace"
    )
    beside = listed.split("\0")
    # One file may cite works that stand beside it.
    names = [path.rpartition("/")[2], *({REFERENCES} & set(beside))]
    if is_folder:
        names = [name for name in beside if name.endswith((".yaml", ".yml"))]
    shown = stem.removeprefix("./").strip(".")
    prefix = f"{revision}:{shown}/" if shown else f"{revision}:"
    with TemporaryDirectory() as scratch:
        for name in names:
            inner = f"{revision}:{stem}/{name}" if stem else f"{revision}:{name}"
            (Path(scratch) / name).write_bytes(_git(folder, spec, "cat-file", "blob", inner))
        target = Path(scratch) if is_folder else Path(scratch) / names[0]
        try:
            side = _load(target, spec)
        except ConfigurationError as error:
            raise type(error)(
                [replace(p, file=p.file.replace(f"{scratch}/", prefix)) for p in error.problems]
            ) from None
    return replace(side, label=spec, prefix=prefix if side.documents else "")


def _git(folder: Path, spec: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the user's own git
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise ConfigurationError.one(
            "X003", spec, f"git cannot be run: {error.strerror}", "install git"
        ) from None
    if done.returncode:
        first = done.stderr.decode("utf-8", "replace").strip().splitlines()[:1]
        reason = first[0].removeprefix("fatal: ") if first else "git failed"
        raise ConfigurationError.one(
            "X003", spec, reason, "check the revision, and the path from the repository's root"
        )
    return done.stdout
