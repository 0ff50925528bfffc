"""A set of pairs on disk (JSONL) and as a Hugging Face `Dataset`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..errors import PairError, Problem, StoreError
from ..files.lines import json_lines
from ..files.write import replacing
from .pair import FIELDS, REQUIRED, Pair, from_record, to_record

if TYPE_CHECKING:
    from datasets import Dataset


class Pairs(Sequence[Pair]):
    """Preference pairs in a fixed order; cannot be changed.

    Args:
        pairs: The pairs.

    Example:
        >>> pairs = Pairs.load("runs/demo/30_pairs.jsonl")  # doctest: +SKIP
        >>> pairs.to_dataset().column_names[:3]  # doctest: +SKIP
        ['prompt', 'chosen', 'rejected']
    """

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self._pairs = tuple(pairs)

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
        file = str(path)
        try:
            text = Path(path).read_text(encoding="utf-8")
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

        rows = list(json_lines(text, wrong))
        return cls(_read_rows(rows, file=file, problems=problems, strict=True))

    def to_dataset(self) -> Dataset:
        """The pairs as a conversational preference data set that stock TRL loads.

        Returns:
            `prompt`, `chosen`, `rejected` as lists of messages, then every named field
            as a column of its own (`calls` as JSON text, `id` last).
        """
        from datasets import Dataset, Features, List, Value

        messages = List({"role": Value("string"), "content": Value("string")})
        columns: dict[str, Any] = {"prompt": messages, "chosen": messages, "rejected": messages}
        columns |= {name: Value("string") for name in FIELDS if name not in REQUIRED}
        columns |= {"p_chosen": Value("float64"), "weight": Value("float64")}
        columns |= {"round": Value("int64"), "principles": List(Value("string"))}
        columns["id"] = Value("string")
        records = [_dataset_row(pair) for pair in self._pairs]
        data = {name: [record[name] for record in records] for name in columns}
        return Dataset.from_dict(data, features=Features(columns))

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> Pairs:
        """Reads a preference data set, ours or another's.

        Args:
            dataset: Columns `prompt`, `chosen`, `rejected`, each text or messages; our
                other fields where present (a missing `p_chosen` is 1.0: the label is
                taken as given). Further columns are ignored.

        Raises:
            PairError: A column is missing or rows are wrong; all rows at once.
        """
        names = set(dataset.column_names)
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            raise PairError.one(
                "D004",
                "dataset",
                f"no column {', '.join(missing)}; it has {', '.join(sorted(names))}",
                "a preference data set has an explicit prompt, chosen and rejected",
            )
        rows = [(number, dict(row)) for number, row in enumerate(dataset, start=1)]
        return cls(_read_rows(rows, file="dataset", problems=[], strict=False))


def _dataset_row(pair: Pair) -> dict[str, Any]:
    record = to_record(pair)
    record["chosen"] = [{"role": "assistant", "content": pair.chosen}]
    record["rejected"] = [{"role": "assistant", "content": pair.rejected}]
    record["calls"] = json.dumps(record["calls"], sort_keys=True)
    return record


def _read_rows(
    rows: Sequence[tuple[int, Any]], *, file: str, problems: list[Problem], strict: bool
) -> list[Pair]:
    """All pairs of the rows, or a PairError with every problem, in line order."""
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
    if problems:
        raise PairError(sorted(problems, key=lambda problem: problem.line))
    return pairs
