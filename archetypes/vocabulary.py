"""The closed vocabulary of failure modes, each with its opposite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ..errors import ArchetypeError, Problem
from ..files.validation import suggestion
from ..files.yaml_file import load_yaml

FAILURE_MODES = Path(__file__).with_name("failure_modes.yaml")


@dataclass(frozen=True, slots=True)
class FailureMode:
    """One way in which an assistant fails.

    Attributes:
        id: Key of `failure_modes.yaml`.
        meaning: One line.
        opposite: Id of the failure that threatens when this one is avoided too
            hard. Not symmetric: several modes share `over_refusal`.
    """

    id: str
    meaning: str
    opposite: str


@cache
def load_failure_modes(path: Path = FAILURE_MODES) -> Mapping[str, FailureMode]:
    """All failure modes by id, in file order; read once per process.

    Raises:
        ArchetypeError: An entry lacks `meaning` or `opposite`, or its opposite
            is itself or no known mode.
        ConfigurationError: The file is not readable as YAML.
    """
    document = load_yaml(path)
    problems: list[Problem] = []

    def add(line: int, message: str, fix: str) -> None:
        problems.append(Problem("A020", "error", str(path), line, message, fix))

    entries = document.data if isinstance(document.data, dict) else {}
    if not entries:
        add(1, "no failure modes", "write `mode: {meaning: ..., opposite: ...}` entries")
    modes: dict[str, FailureMode] = {}
    for key, entry in entries.items():
        line = document.line((key,))
        fields = entry if isinstance(entry, dict) else {}
        meaning, opposite = fields.get("meaning"), fields.get("opposite")
        if set(fields) != {"meaning", "opposite"} or not (
            isinstance(meaning, str) and isinstance(opposite, str)
        ):
            add(line, f"`{key}` needs exactly `meaning` and `opposite`, both text", "complete it")
            continue
        if opposite not in entries or opposite == key:
            fix = suggestion(opposite, set(entries) - {key})
            add(document.line((key, "opposite")), f"opposite `{opposite}` of `{key}`", fix)
        modes[key] = FailureMode(key, meaning, opposite)
    if problems:
        raise ArchetypeError(problems)
    return MappingProxyType(modes)


@cache
def _opposites() -> dict[str, str]:
    """Failure mode -> the failure one falls into by over-correcting it."""
    return {mode.id: mode.opposite for mode in load_failure_modes().values()}


def opposite(failure_mode: str) -> str:
    """The mode `failure_modes.yaml` names as the opposite of this one."""
    return _opposites()[failure_mode]


CUES = Path(__file__).with_name("cues.yaml")


@cache
def load_cues(path: Path = CUES) -> Mapping[str, str]:
    """Cue id -> when it is present, in file order; read once per process.

    Raises:
        ArchetypeError: A cue has no meaning, or there are none.
        ConfigurationError: The file is not readable as YAML.
    """
    document = load_yaml(path)
    entries = document.data if isinstance(document.data, dict) else {}
    fix = "write `cue_id: When the cue is present.`"
    problems = [
        Problem("A021", "error", str(path), document.line((key,)), f"`{key}` has no meaning", fix)
        for key, meaning in entries.items()
        if not isinstance(meaning, str) or not meaning.strip()
    ]
    if not entries:
        problems.append(Problem("A021", "error", str(path), 1, "no cues", fix))
    if problems:
        raise ArchetypeError(problems)
    return MappingProxyType(dict(entries))
