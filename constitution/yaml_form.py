"""Writes a compiled constitution as a YAML file and reads it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from ..archetypes.vocabulary import load_failure_modes
from ..errors import ConfigurationError, Problem
from ..files.validation import Strict, suggestion, validation_problems
from ..files.yaml_document import YamlDocument
from ..files.yaml_file import load_yaml, read_plain
from ..files.yaml_signs import ODD_SPACES
from .principle import Constitution, Principle

DEFAULT = Path(__file__).with_name("default.yaml")
"""The shipped library, compiled."""

_HEADER = """\
# A compiled constitution. Made by `anlage compile`; edit the archetype files, not this one.
# `hash` covers all that means something, so not the lines. 0 is the first precedence.
"""
_MAX_BYTES = 8_000_000
_LINE_BREAKS = frozenset("\x85\u2028\u2029")


class _File(Strict):
    version: Literal[1]
    hash: str
    sources: dict[str, str]
    principles: Annotated[tuple[Principle, ...], Field(min_length=1)]


class _Dumper(yaml.SafeDumper):
    """Writes equal values out each time: anchors would not be read back."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _quote_lookalikes(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quotes text our reader would take for something else, such as `4e-4`."""
    plain = isinstance(read_plain(text), str) and not set(text) & set(ODD_SPACES)
    style = None if plain else "'"
    if set(text) & _LINE_BREAKS:
        style = '"'  # only there are they written as escapes; else U+0085 comes back as a space
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quote_lookalikes)


def dump_constitution(constitution: Constitution) -> str:
    """The constitution as YAML text; the same constitution gives the same bytes."""
    principles = []
    for principle in constitution:
        data = principle.content()
        data["cues"] = list(principle.cues)
        data["openings"] = {
            "failing": list(principle.openings.failing),
            "good": list(principle.openings.good),
        }
        data["provenance"] = {
            "file": principle.provenance.file,
            "line": principle.provenance.line,
            "references": list(principle.provenance.references),
        }
        principles.append(data)
    body = {
        "version": 1,
        "hash": constitution.hash,
        "sources": dict(constitution.sources),
        "principles": principles,
    }
    text: str = yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return _HEADER + text


def load_constitution(path: Path | str = DEFAULT) -> Constitution:
    """Reads what `dump_constitution` wrote.

    Raises:
        ConfigurationError: The file is no compiled constitution, names a failure
            mode that does not exist, or was changed after compiling (its hash
            does not fit). All problems at once.
    """
    document = load_yaml(path, max_bytes=_MAX_BYTES)
    try:
        data = _File.model_validate(document.data)
    except ValidationError as error:
        raise ConfigurationError(validation_problems(error, document, _File)) from None
    problems = _check(data, document)
    constitution = Constitution(data.principles, data.sources)
    if not problems and constitution.hash != data.hash:
        message = f"hash {data.hash[:12]} does not fit the content ({constitution.hash[:12]})"
        fix = "the file was changed after compiling; change the archetypes and compile again"
        line = document.line(("hash",))
        problems.append(Problem("C001", "error", str(path), line, message, fix))
    if problems:
        raise ConfigurationError(problems)
    return constitution


def _check(data: _File, document: YamlDocument) -> list[Problem]:
    modes = load_failure_modes()
    problems = []
    seen: set[str] = set()
    for index, principle in enumerate(data.principles):
        if principle.failure_mode not in modes:
            line = document.line(("principles", index, "failure_mode"))
            message = f"unknown failure mode `{principle.failure_mode}`"
            fix = suggestion(principle.failure_mode, modes)
            problems.append(Problem("C002", "error", str(document.path), line, message, fix))
        if principle.id in seen:
            line = document.line(("principles", index, "id"))
            message = f"duplicate principle `{principle.id}`"
            problems.append(
                Problem("C002", "error", str(document.path), line, message, "keep one of them")
            )
        seen.add(principle.id)
    return problems
