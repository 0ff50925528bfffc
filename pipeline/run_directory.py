"""One run's folder: claimed for one config, locked while in use, never overwritten."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from ..errors import RunDirectoryError
from ..files.lines import flat
from ..files.redaction import redact
from ..files.write import write_atomically
from .manifest import Manifest
from .resolved import Resolved


class RunDirectory:
    """Paths of every artefact of a run, and its manifest.

    Args:
        path: The folder; made by `open_run`, read by `report`, `trace` and `chat`.

    Raises:
        RunDirectoryError: The folder holds no run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "config.yaml").is_file():
            raise RunDirectoryError(
                f"{path} is not a run directory (no config.yaml in it). "
                "Give a folder that `anlage run` made, such as runs/quickstart."
            )
        self.manifest = Manifest(path)

    @property
    def config_file(self) -> Path:
        """The resolved config."""
        return self.path / "config.yaml"

    @property
    def constitution(self) -> Path:
        """Compiled principles."""
        return self.path / "10_constitution.yaml"

    @property
    def calibration(self) -> Path:
        """The critic, measured."""
        return self.path / "20_calibration.json"

    @property
    def pairs(self) -> Path:
        """Preference pairs, one JSON object a line."""
        return self.path / "30_pairs.jsonl"

    @property
    def outcomes(self) -> Path:
        """Every attempt's outcome, counted."""
        return self.path / "31_outcomes.json"

    @property
    def confounds(self) -> Path:
        """What else separates chosen from rejected."""
        return self.path / "32_confounds.json"

    @property
    def training(self) -> Path:
        """Adapter or weights, metrics and reference."""
        return self.path / "40_training"

    @property
    def evaluation(self) -> Path:
        """Before and after."""
        return self.path / "50_evaluation.json"

    @property
    def store(self) -> Path:
        """The call store, shared by all runs beside this one."""
        return self.path.parent / "cache.sqlite"

    @property
    def spending(self) -> Path:
        """What calls have cost so far."""
        return self.path / "spending.jsonl"


def open_run(resolved: Resolved, *, changed: bool = False) -> RunDirectory:
    """Makes the run directory, or opens it if it belongs to this very config.

    Args:
        resolved: The run.
        changed: Also open one whose config was another; `changes` then says what differs.

    Raises:
        RunDirectoryError: It belongs to another config (the message lists what
            differs), holds other files, or cannot be written. The budget alone
            makes no other config.
    """
    folder, text = resolved.folder, resolved.text
    existing = folder / "config.yaml"
    if existing.is_file():
        if not changed and changes(existing, text):
            raise other_config(folder, changes(existing, text))
    elif folder.is_dir() and any(item.name != ".lock" for item in folder.iterdir()):
        raise RunDirectoryError(
            f"{folder} exists, is not empty and is not a run. Give this config another `name`."
        )
    else:
        write_atomically(existing, text)
    return RunDirectory(folder)


def other_config(
    folder: Path, changed: Mapping[str, Sequence[object]], finished: Sequence[str] = ()
) -> RunDirectoryError:
    """The error that a run directory is another config's.

    Args:
        folder: The run directory.
        changed: What differs; see `changes`.
        finished: Stages that are finished and would come out otherwise.
    """
    shown = [f"{name} ({old} there, {new} here)" for name, (old, new) in changed.items()]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    why = f" It has finished {', '.join(finished)}, which that would change." if finished else ""
    return RunDirectoryError(
        f"{folder} belongs to another config and is left as it is. Different: "
        f"{'; '.join(shown[:5])}{more}.{why} Run it with --new, which takes the next free name "
        "and pays for no stored call again, or give this config another `name`."
    )


def free_name(resolved: Resolved) -> str:
    """The run's name, or the first of name-2, name-3, ... that no other config has."""
    number, name = 1, resolved.name
    while True:
        file, text = resolved.folder.with_name(name) / "config.yaml", resolved.renamed(name).text
        if changes(file, text) == {} if file.is_file() else not file.parent.exists():
            return name
        number += 1
        name = f"{resolved.name}-{number}"


def adopt_budget(run: RunDirectory, text: str) -> None:
    """Writes a config that differs in nothing but its budget over the run's own.

    Args:
        run: A run that `open_run` has opened for this config, locked.
        text: The config's resolved YAML text.

    Raises:
        RunDirectoryError: It cannot be written.
    """
    if run.config_file.read_text("utf-8") != text:
        write_atomically(run.config_file, text)


@contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Holds the run directory for this process; a kill releases it.

    Raises:
        RunDirectoryError: Another process is working in it.
    """
    with open(run.path / ".lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunDirectoryError(
                f"{run.path} is in use by another process. Wait for it, or give another `name`."
            ) from error
        file.write(str(os.getpid()))
        file.flush()
        yield


_ADJUSTABLE = frozenset({"budget", "chat", "policy_server"})
_ADDED = {"rounds": 1, "layers": None, "conditions": None}
_ADDED_WITHIN: dict[str, dict[str, object]] = {
    "archetypes": {"guards": None, "inverted": False},
    "selection": {"trust": "measured"},
}
"""Keys that runs of earlier versions lack, and what they mean there."""


def _identity(text: str) -> dict[str, object]:
    """The part of a config that says what the run is; what it may spend, and how fast, does not."""
    data = {**_ADDED, **(yaml.safe_load(text) or {})}
    for section, added in _ADDED_WITHIN.items():
        if isinstance(data.get(section), dict):
            data[section] = {**added, **data[section]}
    return {k: v for k, v in data.items() if k not in _ADJUSTABLE}


def changes(file: Path, text: str) -> dict[str, tuple[object, object]]:
    """Dotted name -> value in a run's config and value now, of all that differs but budget.

    Args:
        file: The run's `config.yaml`.
        text: Another config's resolved YAML text.
    """
    old, new = _identity(file.read_text("utf-8")), _identity(redact(text))
    # An empty mapping says nothing: its later entries are the difference.
    before, after = ({k: v for k, v in flat(d).items() if v != {}} for d in (old, new))
    names = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    return {name: (before.get(name), after.get(name)) for name in names}
