"""The closed vocabulary of cues, shared by archetypes and prompt sets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ..errors import ArchetypeError, Problem
from .yaml_file import load_yaml

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
