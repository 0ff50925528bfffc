"""Finds suites by name, shipped ones and an author's own, and checks an author's file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from ...archetypes.vocabulary import load_failure_modes
from ...errors import ConfigurationError, Problem
from ...files.validation import read_model, suggestion
from ...files.yaml_document import Location, YamlDocument, is_placeholder, walk_text
from ...files.yaml_file import load_yaml
from .load import load_items
from .suite import Suite

LIBRARY: Final = Path(__file__).parent / "library"
"""One YAML file per suite that ships. The rows are not ours and do not ship."""


def read_suite_file(path: Path) -> Suite:
    """A suite from its YAML file.

    Raises:
        ConfigurationError: Every problem of the file, with its line.
    """
    return read_model(Suite, load_yaml(path))


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


_PLACES = {"E021": "files", "E023": "where", "E024": "fields", "E025": "fields", "E027": "rows"}
"""Code of what is found in the rows -> the key of the suite that leads there."""


def suite_problems(path: Path) -> list[Problem]:
    """Every problem of a suite file; the rows are read where they lie beside it."""
    document = load_yaml(path)
    found = [
        Problem("A023", "error", str(path), document.line(at), f"`{at[-1]}` is {text}", "write it")
        for at, text in walk_text(document.data)
        if is_placeholder(text)
    ]
    try:
        suite = read_suite_file(path)
    except ConfigurationError as error:
        return list(error.problems)
    found += _names(suite, document)
    return found or _rows(suite, document)


def _names(suite: Suite, document: YamlDocument) -> list[Problem]:
    problems = []
    own = document.path.resolve().parent == LIBRARY.resolve()
    if suite.name in shipped_suites() and not own:
        message = f"`{suite.name}` is the name of a suite that ships"
        problems.append(_problem("E030", document, ("name",), message, "choose another name"))
    modes = load_failure_modes()
    if suite.failure_mode not in modes and "failure_mode" in suite.model_fields_set:
        message = f"unknown failure mode `{suite.failure_mode}`"
        fix = suggestion(suite.failure_mode, modes)
        problems.append(_problem("A010", document, ("failure_mode",), message, fix))
    return problems


def _rows(suite: Suite, document: YamlDocument) -> list[Problem]:
    """What is wrong with the rows, at the line of the suite that leads to them."""
    folder = document.path.parent
    if not suite.files or not any((folder / name).parent.is_dir() for name in suite.files):
        return []
    try:
        loaded = load_items(suite, folder)
    except ConfigurationError as error:
        first = error.problems[0]
        column = next((c for c in suite.fields.values() if f"`{c}`" in first.message), None)
        at: Location = (_PLACES.get(first.code, "files"),)
        if first.code in ("E024", "E025") and column is None:
            return list(error.problems)
        fix = first.fix
        if first.code == "E023":
            fix = f"change or leave out `where`: {first.fix}"
        return [_problem(first.code, document, at, first.message, fix)]
    if suite.rows is not None and len(loaded) != suite.rows:
        message = f"`rows` is {suite.rows}, but {len(loaded)} rows are read"
        fix = f"write `rows: {len(loaded)}`, or get the whole file"
        return [_problem("E027", document, ("rows",), message, fix)]
    return []


def _problem(code: str, document: YamlDocument, at: Location, message: str, fix: str) -> Problem:
    return Problem(code, "error", str(document.path), document.line(at), message, fix)
