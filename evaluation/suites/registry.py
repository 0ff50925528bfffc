"""Finds suites by name: those that ship, and a user's own YAML files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from ...errors import ConfigurationError
from ...files.validation import suggestion, validation_problems
from ...files.yaml_file import load_yaml
from .suite import Suite

LIBRARY: Final = Path(__file__).parent / "library"
"""One YAML file per suite that ships. The rows are not ours and do not ship."""


def read_suite_file(path: Path) -> Suite:
    """A suite from its YAML file.

    Raises:
        ConfigurationError: Every problem of the file, with its line.
    """
    document = load_yaml(path)
    data = document.data if document.data is not None else {}
    try:
        return Suite.model_validate(data)
    except ValidationError as error:
        raise ConfigurationError(validation_problems(error, document, Suite)) from None


@cache
def shipped_suites() -> dict[str, Suite]:
    """Name -> suite, for every suite that ships, by name.

    Raises:
        ConfigurationError: A shipped file is damaged.
    """
    suites = [read_suite_file(path) for path in sorted(LIBRARY.glob("*.yaml"))]
    return {suite.name: suite for suite in suites}


def find_suite(name: str, folder: Path | None = None) -> Suite:
    """A suite by name or by the path of its YAML file.

    A suite folder may bring suites of its own: `<name>.yaml` in its `suites/`
    is found by name, too, after the shipped ones.

    Args:
        name: Name, or a path ending in `.yaml`.
        folder: The `--suite-dir`, or None.

    Raises:
        ConfigurationError: No such suite, with the nearest names, or a bad file.
    """
    if name.endswith((".yaml", ".yml")):
        return read_suite_file(Path(name))
    shipped = shipped_suites()
    if name in shipped:
        return shipped[name]
    own = {}
    if folder is not None and (folder / "suites").is_dir():
        own = {path.stem: path for path in sorted((folder / "suites").glob("*.yaml"))}
    if name in own:
        return read_suite_file(own[name])
    fix = suggestion(name, [*shipped, *own])
    raise ConfigurationError.one("E020", "--suites", f"no suite {name!r}", fix)
