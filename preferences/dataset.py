"""A set of pairs on disk (JSONL) and as a Hugging Face `Dataset`.

Names of columns: in a data set that others read and write, ours begin with `anlage_`, so that
no `label`, `role`, `weight` or `round` of somebody else is taken for ours, nor ours for theirs
(stock trainers give `label` a meaning of their own). Rows of others that are wrong are
counted, named and left out; one of them never costs the rest.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from ..errors import PairError, Problem, StoreError
from ..files.lines import json_lines
from ..files.validation import suggestion
from ..files.write import replacing
from .interchange.preference_rows import QUESTIONS, RowError, preference_row
from .pair import FIELDS, REQUIRED, Pair, from_record, to_record

if TYPE_CHECKING:
    from datasets import Dataset
    from pandas import DataFrame

    Table: TypeAlias = Dataset | DataFrame | Iterable[Mapping[str, Any]] | str | Path

OWN = "anlage_"
"""How the columns of ours begin in a data set, `prompt`, `chosen` and `rejected` aside."""


class Pairs(Sequence[Pair]):
    """Preference pairs in a fixed order; cannot be changed.

    Args:
        pairs: The pairs.
        left_out: What was wrong with each row that was read and not kept.

    Attributes:
        left_out: One problem for each fault of a row that `from_dataset` left out, with
            the row's number; empty for pairs made in any other way.

    Example:
        >>> pairs = Pairs.load("runs/demo/30_pairs.jsonl")  # doctest: +SKIP
        >>> pairs.to_dataset().column_names[:3]  # doctest: +SKIP
        ['prompt', 'chosen', 'rejected']
    """

    def __init__(self, pairs: Iterable[Pair] = (), *, left_out: Iterable[Problem] = ()) -> None:
        self._pairs = tuple(pairs)
        self.left_out = tuple(left_out)

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> Pairs: ...
    def __getitem__(self, index: int | slice) -> Pair | Pairs:
        return Pairs(self._pairs[index]) if isinstance(index, slice) else self._pairs[index]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pairs) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(tuple(pair.id for pair in self._pairs))

    def __repr__(self) -> str:
        return f"Pairs({len(self)})"

    def get(self, pair_id: str) -> Pair:
        """The pair with this id, or the only one whose id starts like it.

        Raises:
            KeyError: None or several fit.
        """
        found = [pair for pair in self._pairs if pair.id.startswith(pair_id)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} pairs have an id starting with {pair_id!r}")
        return found[0]

    def save(self, path: str | Path) -> Path:
        """Writes one JSON object per line, whole or not at all; equal pairs, equal bytes.

        Raises:
            StoreError: The file cannot be written.
        """
        target = Path(path)
        lines = [json.dumps(to_record(pair), ensure_ascii=False) + "\n" for pair in self._pairs]
        try:
            with replacing(target) as scratch:
                scratch.write_text("".join(lines), encoding="utf-8", newline="\n")
        except OSError as error:
            raise StoreError(
                f"cannot write {target}: {error.strerror or error}; free space or choose "
                "another folder, then repeat the command"
            ) from error
        return target

    @classmethod
    def load(cls, path: str | Path) -> Pairs:
        """Reads what `save` wrote, or hand-made rows with at least prompt, chosen, rejected.

        Raises:
            PairError: The file is missing or not UTF-8, or rows are wrong; all at once,
                each with its line.
        """
        rows, problems = _json_rows(Path(path))
        pairs = _read_records(rows, file=str(path), problems=problems, strict=True)
        if problems:
            raise PairError(sorted(problems, key=lambda problem: problem.line))
        return cls(pairs)

    def to_dataset(self) -> Dataset:
        """The pairs as a conversational preference data set that stock TRL loads.

        Returns:
            `prompt`, `chosen`, `rejected` as lists of messages, then every named field
            as a column `anlage_...` (`anlage_calls` as JSON text, `anlage_id` last).
        """
        from datasets import Dataset, Features, List, Value

        messages = List({"role": Value("string"), "content": Value("string")})
        columns: dict[str, Any] = {"prompt": messages, "chosen": messages, "rejected": messages}
        own = {name: Value("string") for name in FIELDS if name not in REQUIRED}
        own |= {"p_chosen": Value("float64"), "weight": Value("float64")}
        own |= {"round": Value("int64"), "principles": List(Value("string"))}
        own["id"] = Value("string")
        columns |= {f"{OWN}{name}": kind for name, kind in own.items()}
        records = [_dataset_row(pair) for pair in self._pairs]
        data = {name: [record[name] for record in records] for name in columns}
        return Dataset.from_dict(data, features=Features(columns))

    @classmethod
    def from_dataset(cls, dataset: Table, *, strict: bool = False) -> Pairs:
        """Reads preference data, ours or anybody's, in any of its usual forms.

        The forms: an explicit prompt, or one that both answers begin with; as text or as
        messages; UltraFeedback-binarized; conversations as text (`Human:`, `Assistant:`).

        Args:
            dataset: A `Dataset` (one split), a pandas data frame, rows as mappings, or the path
                of a `.parquet` or `.jsonl` file. Columns `chosen` and `rejected`, and
                `prompt` unless it is part of both; a soft label `p_chosen` and our own
                `anlage_...` columns where present (a missing `p_chosen` is 1.0: the
                label is taken as given). Further columns are ignored.
            strict: Refuse everything if a row is wrong. False leaves such rows out, says in
                a `UserWarning` how many and why, and keeps the list in `left_out`.

        Raises:
            PairError: A column is missing, no row can be read, or, with `strict`, any row
                is wrong; all rows at once, each with its number.

        Example:
            >>> rows = [{"prompt": "2 + 2?", "chosen": "4.", "rejected": "5."}]
            >>> Pairs.from_dataset(rows)
            Pairs(1)
        """
        file, rows, problems = _table(dataset)
        _check_columns(dataset, file, rows)
        wrong = {problem.line for problem in problems}
        records = []
        for line, row in rows:
            try:
                records.append((line, _record(row) if isinstance(row, Mapping) else row))
            except RowError as error:
                fix = "see the forms that are read in the docs, or remove the row"
                problems.append(Problem("D001", "error", file, line, str(error), fix))
        pairs = _read_records(records, file=file, problems=problems, strict=False)
        problems.sort(key=lambda problem: problem.line)
        if problems and (strict or not pairs):
            raise PairError(problems)
        if problems:
            wrong |= {problem.line for problem in problems}
            warnings.warn(_left_out(problems, len(wrong), len(wrong) + len(pairs)), stacklevel=2)
        return cls(pairs, left_out=problems)


def _table(source: Any) -> tuple[str, list[tuple[int, Any]], list[Problem]]:
    """The rows of any source with their 1-based numbers, and lines that are no JSON."""
    if isinstance(source, str | Path):
        return _file_rows(Path(source))
    if isinstance(source, Mapping):
        names = ", ".join(map(str, source))
        fix = f'give one split, such as data["{next(iter(source), "train")}"], or a list of rows'
        raise PairError.one("D004", "dataset", f"got a mapping of {names}, not one table", fix)
    if hasattr(source, "to_dict") and hasattr(source, "iloc"):
        source = source.to_dict("records")
    return "dataset", list(enumerate(source, start=1)), []


def _file_rows(path: Path) -> tuple[str, list[tuple[int, Any]], list[Problem]]:
    file = str(path)
    try:
        if path.suffix == ".parquet":
            import pandas

            return file, list(enumerate(pandas.read_parquet(path).to_dict("records"), start=1)), []
    except (OSError, ValueError) as error:
        fix = "check the path, and that it is a parquet file"
        raise PairError.one("D004", file, f"cannot read: {error}", fix) from error
    rows, problems = _json_rows(path)
    return file, rows, problems


def _json_rows(path: Path) -> tuple[list[tuple[int, Any]], list[Problem]]:
    """The values of a file of JSON lines, and a problem for each line that is none."""
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PairError.one(
            "D004", file, f"not UTF-8 (byte {error.start})", "save it as UTF-8"
        ) from error
    except OSError as error:
        raise PairError.one(
            "D004", file, f"cannot read: {error.strerror}", "check the path"
        ) from error
    problems: list[Problem] = []

    def wrong(line: int, error: Exception) -> None:
        fix = "one JSON object per line"
        problems.append(Problem("D002", "error", file, line, f"not JSON: {error}", fix))

    return list(json_lines(text, wrong)), problems


def _check_columns(source: Any, file: str, rows: Sequence[tuple[int, Any]]) -> None:
    """Refuses a table without the two answers, or with a misspelt column of ours."""
    names = set(getattr(source, "column_names", None) or ())
    names |= {str(name) for _, row in rows if isinstance(row, Mapping) for name in row}
    if not names:
        return
    has = f"it has {', '.join(sorted(names))}"
    missing = [name for name in ("chosen", "rejected") if name not in names]
    if missing:
        fix = "rename the columns of the better and the worse answer to chosen and rejected"
        raise PairError.one("D004", file, f"no column {', '.join(missing)}; {has}", fix)
    asked = [name for name in QUESTIONS if name in names]
    if "prompt" not in names and asked:
        fix = f"if it is what was asked, rename `{asked[0]}` to prompt"
        raise PairError.one("D004", file, f"no column prompt; {has}", fix)
    known = [f"{OWN}{name}" for name in (*FIELDS, "id")]
    unknown = sorted(name for name in names if name.startswith(OWN) and name not in known)
    if unknown:
        fix = suggestion(unknown[0], known)
        raise PairError.one("D004", file, f"no column of ours is called {unknown[0]!r}", fix)


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a table as the record of a pair: its three texts and what is ours."""
    if row.keys() >= {*FIELDS, "id"}:  # written before our columns had names of their own
        own = {name: row[name] for name in FIELDS}
    else:
        own = {name: row[f"{OWN}{name}"] for name in FIELDS if f"{OWN}{name}" in row}
        own.setdefault("p_chosen", row.get("p_chosen"))
    for name, value in own.items():
        if hasattr(value, "tolist"):  # a data frame holds lists in arrays
            own[name] = value.tolist()
    return own | preference_row(row)


def _left_out(problems: Sequence[Problem], wrong: int, total: int) -> str:
    """How many rows were left out, and why, in one sentence."""
    first: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for problem in problems:
        reason = re.sub(r", got .*", "", problem.message)
        counts[reason] += 1
        first.setdefault(reason, problem.line)
    reasons = "; ".join(
        f"{count} x {reason} (first in row {first[reason]})"
        for reason, count in counts.most_common()
    )
    return f"{wrong} of {total} rows were left out: {reasons}. strict=True refuses them instead."


def _dataset_row(pair: Pair) -> dict[str, Any]:
    record = to_record(pair)
    record["calls"] = json.dumps(record["calls"], sort_keys=True)
    row: dict[str, Any] = {f"{OWN}{name}": value for name, value in record.items()}
    row["prompt"] = record["prompt"]
    row["chosen"] = [{"role": "assistant", "content": pair.chosen}]
    row["rejected"] = [{"role": "assistant", "content": pair.rejected}]
    return row


def _read_records(
    rows: Sequence[tuple[int, Any]], *, file: str, problems: list[Problem], strict: bool
) -> list[Pair]:
    """The pairs of the rows that are right; what is wrong is added to the problems."""
    pairs: list[Pair] = []
    seen: dict[str, int] = {}
    for line, row in rows:
        if not isinstance(row, dict):
            fix = "one JSON object per line"
            problems.append(Problem("D002", "error", file, line, "not a JSON object", fix))
            continue
        pair, faults = from_record(row, file=file, line=line, strict=strict)
        problems += faults
        if pair is None:
            continue
        if strict and pair.id in seen:
            message = f"pair {pair.id} stands in line {seen[pair.id]} already"
            problems.append(Problem("D003", "error", file, line, message, "remove one of them"))
        seen[pair.id] = line
        pairs.append(pair)
    return pairs
