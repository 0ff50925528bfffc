"""The registry: a scan of `runs/*/manifest.json`. Nothing is ever taken off it but by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import RunDirectoryError
from ..files.lines import flat
from ..pipeline.manifest import Manifest
from .run_state import RunState, run_state


@dataclass(frozen=True, slots=True)
class RegisteredRun:
    """One run directory.

    Attributes:
        name: Its name.
        path: The directory.
        state: What became of it.
        changed: Seconds since 1970 of its manifest's last change.
        model: The model trained.
        seeds: Data and training seed.
        study: Name of the study it belongs to, "" if it was run by itself.
    """

    name: str
    path: Path
    state: RunState
    changed: float
    model: str
    seeds: tuple[int, int]
    study: str


def registered(runs: Path, *, check: tuple[str, ...] | None = ()) -> list[RegisteredRun]:
    """Every run of a folder, newest last; failed and abandoned ones, too.

    Args:
        runs: The folder.
        check: Stages whose files are hashed; None for all, () for none.

    Raises:
        RunDirectoryError: There is no such folder.
    """
    if not runs.is_dir():
        raise RunDirectoryError(f"{runs} is no folder. Give the folder that holds the runs.")
    found = [_read(file.parent, check) for file in runs.glob("*/manifest.json")]
    return sorted(found, key=lambda run: (run.changed, run.name))


def _read(folder: Path, check: tuple[str, ...] | None) -> RegisteredRun:
    config = read_config(folder)
    pairs, training = _section(config, "pairs"), _section(config, "training")
    seeds = (_whole(pairs.get("seed")), _whole(training.get("seed")))
    parts = folder.name.split(".")
    return RegisteredRun(
        folder.name,
        folder,
        run_state(folder, check=check),
        (folder / "manifest.json").stat().st_mtime,
        str(config.get("model", "")),
        seeds,
        parts[0] if len(parts) >= 4 else "",
    )


def read_config(folder: Path) -> dict[str, Any]:
    """The run's resolved config as plain data; {} where it cannot be read."""
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        data = yaml.load((folder / "config.yaml").read_text("utf-8"), Loader=loader)  # noqa: S506
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return {}
    return data if isinstance(data, dict) else {}


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    value = config.get(name)
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class Differing:
    """One thing in which two runs differ.

    Attributes:
        where: `config`, `environment`, `inputs` (of a stage) or `results`.
        name: Dotted path, package or file.
        first: Its value in the first run, None where it has none.
        second: Its value in the second run.
    """

    where: str
    name: str
    first: Any
    second: Any


def differences(first: Path, second: Path) -> list[Differing]:
    """Exactly what differs between two runs: settings, environment, files of each stage.

    Names of the runs themselves are left out, and so is when they ran.

    Raises:
        RunDirectoryError: One of them is no run directory.
    """
    for folder in (first, second):
        if not (folder / "config.yaml").is_file():
            raise RunDirectoryError(f"{folder} is not a run directory (no config.yaml in it).")
    rows = _compared("config", flat(read_config(first)), flat(read_config(second)), {"name"})
    rows += _compared("environment", flat(_environment(first)), flat(_environment(second)), set())
    rows += _compared("files", _outputs(first), _outputs(second), {"60_report.html"})
    return rows


def _compared(
    where: str, first: dict[str, Any], second: dict[str, Any], left_out: set[str]
) -> list[Differing]:
    return [
        Differing(where, name, first.get(name), second.get(name))
        for name in sorted({*first, *second} - left_out)
        if first.get(name) != second.get(name)
    ]


def _environment(folder: Path) -> dict[str, Any]:
    try:
        data = json.loads((folder / "environment.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    data.pop("seeds", None)  # these stand in the config
    return data if isinstance(data, dict) else {}


def _outputs(folder: Path) -> dict[str, Any]:
    try:
        stages = Manifest(folder).stages
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {
        name: digest[:12] for record in stages.values() for name, digest in record.outputs.items()
    }


def tried(runs: Sequence[RegisteredRun], model: str) -> int:
    """Number of different trained configurations of a model in the registry, seeds aside.

    The best of many looks good by luck: with k configurations that do not differ, the
    best of them lies about sqrt(2 ln k) standard deviations above the middle.
    """
    shapes = set()
    for run in runs:
        if run.model != model:
            continue
        config = read_config(run.path)
        if not config or config.get("untrained"):
            continue
        for section in ("pairs", "training", "selection"):
            _section(config, section).pop("seed", None)
        for name in ("name", "runs", "budget", "chat", "batch_size", "evaluation", "policy_server"):
            config.pop(name, None)
        shapes.add(json.dumps(config, sort_keys=True, default=str))
    return len(shapes)
