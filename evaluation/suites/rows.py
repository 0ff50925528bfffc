"""Reads a suite's rows from a folder, the hub, or an installed package."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigurationError, Problem
from ...files.lines import json_lines
from ...files.sentences import shown, suggestion
from .suite import Suite

MAX_BYTES = 200_000_000
_Columns = Mapping[str, Any]
_error = ConfigurationError.one


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read.

    Attributes:
        values: Column -> value.
        file: Where it was read, as problems show it.
        line: 1-based line or row.
    """

    values: _Columns
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """All rows of a suite before checks, with the columns' names there.

    `known` is True for the suite's own files, whose ids, number of rows and
    sentinel prompts are known; copies on the hub or in packages may differ.
    """

    rows: tuple[Row, ...]
    fields: Mapping[str, str]
    where: Mapping[str, object]
    known: bool


def read_rows(suite: Suite, folder: Path | None) -> Table:
    """The rows of a suite: from the folder if given, else its package, else the hub.

    Raises:
        ConfigurationError: Nothing has it, or a file cannot be read; all problems.
    """
    if suite.files and folder is not None:
        return Table(tuple(_from_folder(suite, folder)), suite.fields, suite.where, known=True)
    if suite.package is not None and (found := _package_file(suite)) is not None:
        fields = suite.package.fields or suite.fields
        return Table(tuple(_from_files([found])), fields, suite.where, known=False)
    if suite.hub is not None:
        return _from_hub(suite)
    where = "an installed package" if suite.package else "a folder"
    fix = "give --suite-dir DIR, the folder that holds " + ", ".join(suite.files[:2])
    if suite.package is not None:
        fix = f"install the package {suite.package.package}"
    raise _error("E021", suite.name, f"its rows come from {where}, and there is none", fix)


def _from_folder(suite: Suite, folder: Path) -> Iterator[Row]:
    if not folder.is_dir():
        raise _error("E021", folder, "no such folder", "check --suite-dir")
    files = [folder / name for name in suite.files]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        fix = "check --suite-dir; `anlage evaluate --list` shows what each suite reads"
        raise _error("E021", suite.name, f"no such file: {', '.join(missing)}", fix)
    return _from_files(files)


def _from_files(files: list[Path]) -> Iterator[Row]:
    problems: list[Problem] = []
    rows: list[Row] = []
    for file in files:
        text = _text(file)
        if file.suffix == ".csv":
            rows += _csv(file, text)
        elif file.suffix == ".json":
            rows += _json(file, text)
        else:
            rows += _jsonl(file, text, problems)
    if problems:
        raise ConfigurationError(problems)
    return iter(rows)


def _text(file: Path) -> str:
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise _error("E022", file, f"has {size:,} bytes", f"at most {MAX_BYTES:,}")
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _error("E022", file, "is not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise _error("E022", file, f"cannot be read: {reason}", "check its rights") from error


def _jsonl(file: Path, text: str, problems: list[Problem]) -> list[Row]:
    def wrong(line: int, error: object) -> None:
        fix = "every line must be one JSON object"
        problems.append(Problem("E022", "error", str(file), line, f"{error}", fix))

    rows = []
    for number, value in json_lines(text, wrong):
        if isinstance(value, dict):
            rows.append(Row(value, str(file), number))
        else:
            wrong(number, "not a JSON object")
    return rows


def _json(file: Path, text: str) -> list[Row]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _error("E022", file, f"is not JSON: {error}", "repair the file") from error
    if isinstance(value, dict):  # a list under one key, as many data sets have it
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        value = lists[0] if len(lists) == 1 else value
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise _error("E022", file, "holds no list of objects", "give a list of rows")
    return [Row(row, str(file), number) for number, row in enumerate(value, start=1)]


def _csv(file: Path, text: str) -> list[Row]:
    try:
        found = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise _error("E022", file, f"is not CSV: {error}", "repair the file") from error
    return [Row(row, str(file), number) for number, row in enumerate(found, start=2)]


def _package_file(suite: Suite) -> Path | None:
    """The file inside the package, found without importing it; None if not installed."""
    assert suite.package is not None
    try:
        spec = importlib.util.find_spec(suite.package.package.split(".")[0])
    except (ImportError, ValueError):
        return None
    for root in (spec.submodule_search_locations or ()) if spec else ():
        inside = Path(root).joinpath(*suite.package.package.split(".")[1:], suite.package.file)
        if inside.is_file():
            return inside
    return None


def _from_hub(suite: Suite) -> Table:
    hub = suite.hub
    assert hub is not None
    from datasets import load_dataset

    try:
        data: Any = load_dataset(hub.dataset, hub.config, split=hub.split, revision=hub.revision)
    except Exception as error:  # the library raises many kinds; all mean "not to be had"
        message = f"{hub.dataset} could not be read from the hub: {type(error).__name__}: {error}"
        fix = "give --suite-dir DIR with the suite's files, or check the network"
        raise _error("E021", suite.name, message.splitlines()[0][:300], fix) from error
    rows = tuple(
        Row(row, f"{hub.dataset}/{hub.split}", number) for number, row in enumerate(data, start=1)
    )
    return Table(rows, hub.fields or suite.fields, hub.where or suite.where, known=False)


def kept(table: Table, suite: Suite) -> list[Row]:
    """The rows `where` keeps.

    Raises:
        ConfigurationError: A column of `where` is in no row, or no row is kept.
    """
    if not table.rows:
        raise _error("E023", suite.name, "has no rows", "the file is empty: get it again")
    columns = sorted({str(key) for row in table.rows[:200] for key in row.values})
    unknown = [column for column in table.where if column not in columns]
    if unknown:
        fix = suggestion(unknown[0], columns)
        raise _error("E023", suite.name, f"`where` names no column: {', '.join(unknown)}", fix)
    rows = [
        row
        for row in table.rows
        if all(row.values.get(column) == value for column, value in table.where.items())
    ]
    if not rows:
        wanted = ", ".join(f"{column}: {shown(value)}" for column, value in table.where.items())
        message = f"none of its {len(table.rows)} rows has {wanted}"
        raise _error("E023", suite.name, message, "check `where` against the file")
    return rows
