"""A blind sheet of pairs for a person, and the key that reads it back."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, cast

from ..critic.critic_report import Kappa, cohen_kappa
from ..errors import ConfigurationError, Problem
from ..files.write import hash_path, write_atomically, write_json
from ..pipeline.run_directory import RunDirectory
from ..preferences.dataset import Pairs
from ..preferences.label_accuracy import REVIEWS, Said
from ..preferences.pair import Pair
from ..stats.intervals import Rate

FOLDER: Final = REVIEWS
"""Where a run keeps the keys of its sheets. Do not send it along with a sheet."""
COLUMNS: Final = ("row", "conversation", "answer_a", "answer_b", "better", "note")
"""A sheet's columns; the reviewer fills `better` with A, B or tie, and may add a note."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
Word = Literal["A", "B", "tie"]
_WORDS: Final = {"a": "A", "b": "B", "tie": "tie", "=": "tie", "both": "tie", "neither": "tie"}
_problem = partial(ConfigurationError.one, "D030")


@dataclass(frozen=True, slots=True)
class ReviewedPair:
    """One pair and what the reviewer said of it.

    Attributes:
        pair: The pair.
        said: The reviewer's choice between the answers shown as A and B.
        labelled: Which of them the pair's label holds better.
    """

    pair: Pair
    said: Word
    labelled: Word

    @property
    def holds(self) -> Said:
        """Which of the pair's answers the reviewer holds better."""
        if self.said == "tie":
            return "tie"
        return "chosen" if self.said == self.labelled else "rejected"


@dataclass(frozen=True, slots=True)
class Review:
    """A sheet read back.

    Attributes:
        rows: The pairs judged, in the sheet's order.
        blank: Rows left empty.
    """

    rows: tuple[ReviewedPair, ...]
    blank: int


def export_sheet(
    run: RunDirectory,
    out: Path,
    *,
    limit: int | None = 50,
    seed: int = 0,
    modes: Sequence[str] = (),
) -> int:
    """Writes a sheet without label, model or order, and its key into the run directory.

    The same pairs, limit and seed give the same sheet.

    Args:
        run: A run with pairs.
        out: The CSV file; never overwritten, since it may hold a person's work.
        limit: Most pairs, drawn with the seed; None for all.
        seed: Of the draw, of the order of rows and of which answer is shown as A.
        modes: Only pairs whose rejected answer shows one of these failure modes; () for all.

    Returns:
        Number of rows.

    Raises:
        ConfigurationError: The sheet exists already, or the run has no such pairs.
        RunDirectoryError: Sheet or key cannot be written.
    """
    if out.exists():
        raise _problem(out, "the sheet exists and may be filled in", "give another --out")
    pairs = [pair for pair in _load(run) if not modes or pair.failure_mode in modes]
    if not pairs:
        known = ", ".join(sorted({pair.failure_mode for pair in _load(run)}))
        raise _problem(run.pairs, f"no pair shows {', '.join(modes)}", f"there are: {known}")
    name = _sheet_name(run, limit, seed, modes)
    generator = random.Random(f"{name}/{seed}")  # noqa: S311
    drawn = generator.sample(pairs, min(len(pairs), limit or len(pairs)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    key: dict[str, dict[str, str]] = {}
    for number, pair in enumerate(drawn, start=1):
        row = f"{name}-{number:03d}"
        first = generator.choice(("chosen", "rejected"))
        shown = (pair.chosen, pair.rejected)
        answers = shown if first == "chosen" else shown[::-1]
        writer.writerow([row, *map(_cell, (_conversation(pair), *answers)), "", ""])
        key[row] = {"pair": pair.id, "a": first}
    write_json(run.path / FOLDER / f"{name}.json", {"seed": seed, "limit": limit, "rows": key})
    write_atomically(out, text.getvalue())
    return len(drawn)


def read_sheet(run: RunDirectory, sheet: Path, *, keep: bool = True) -> Review:
    """Reads a filled sheet with the key the run kept.

    Commas or semicolons may separate the cells; columns may be added or moved.

    Args:
        run: The run that the sheet was written from.
        sheet: The sheet; one reviewer's, by its name.
        keep: Keeps what it says in the run directory, where the next training finds it.

    Raises:
        ConfigurationError: It is not a sheet of this run's pairs, or cells cannot be
            read; every wrong line is named.
    """
    rows = _rows(sheet)
    key = _key(run, sheet, rows)
    pairs = {pair.id: pair for pair in _load(run)}
    problems: list[Problem] = []
    found: dict[str, ReviewedPair | None] = {}
    for line, row in rows:
        name, said = row["row"].strip(), row["better"].strip().lower()
        entry = key.get(name)
        message = ""
        if entry is None:
            message = f"no row {name!r} in the sheet's key"
        elif name in found:
            message = f"row {name!r} stands twice"
        elif entry["pair"] not in pairs:
            message = f"the pair of row {name!r} is gone: the run's pairs were built again"
        elif said and said not in _WORDS:
            message = f"`better` is {row['better'].strip()!r}"
        if message or entry is None:
            fix = "write A, B or tie, or leave it empty; keep the first column as it was"
            problems.append(Problem("D030", "error", str(sheet), line, message, fix))
            continue
        labelled: Word = "A" if entry["a"] == "chosen" else "B"
        judged = ReviewedPair(pairs[entry["pair"]], cast("Word", _WORDS.get(said, "")), labelled)
        found[name] = judged if said else None
    if problems:
        raise ConfigurationError(problems)
    review = Review(
        tuple(judged for judged in found.values() if judged is not None),
        sum(judged is None for judged in found.values()),
    )
    if keep:
        labels = {row.pair.id: row.holds for row in review.rows}
        name = rows[0][1]["row"].strip().partition("-")[0]
        # Sheets of the same pairs share a key: each reviewer's labels are a file of their own.
        file = run.path / FOLDER / f"{name}.{sheet.stem}.labels.json"
        write_json(file, {"source": sheet.name, "labels": labels})
    return review


def _load(run: RunDirectory) -> Pairs:
    if not run.pairs.is_file():
        raise _problem(run.path, "this run has no pairs yet", "run `anlage pairs` on it first")
    return Pairs.load(run.pairs)


def _sheet_name(run: RunDirectory, limit: int | None, seed: int, modes: Sequence[str]) -> str:
    named = [sorted(modes)] if modes else []
    payload = json.dumps([hash_path(run.pairs), limit, seed, *named])
    return hashlib.sha256(payload.encode()).hexdigest()[:6]


def _conversation(pair: Pair) -> str:
    if len(pair.prompt) == 1:
        return pair.prompt[0].content
    return "\n\n".join(f"{message.role}: {message.content}" for message in pair.prompt)


def _cell(text: str) -> str:
    # A spreadsheet would run a cell that begins like a formula.
    return f"'{text}" if text.startswith(_FORMULA) else text


def _rows(sheet: Path) -> list[tuple[int, dict[str, str]]]:
    """(line, cells by column) of every row."""
    try:
        text = sheet.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _problem(sheet, f"cannot be read: {error}", "save it as CSV in UTF-8") from None
    header = text.partition("\n")[0]
    separator = ";" if header.count(";") > header.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [
            (reader.line_num, {name: cell or "" for name, cell in row.items() if name})
            for row in reader
        ]
    except csv.Error as error:
        raise _problem(sheet, str(error), "save it as CSV again", line=reader.line_num) from None
    missing = {"row", "better"} - set(reader.fieldnames or ())
    if missing or not rows:
        what = f"has no column {', '.join(sorted(missing))}" if missing else "has no rows"
        raise _problem(sheet, what, "give a sheet that `anlage review RUN --out` wrote", line=1)
    return rows


def _key(
    run: RunDirectory, sheet: Path, rows: list[tuple[int, dict[str, str]]]
) -> dict[str, dict[str, str]]:
    name = rows[0][1]["row"].strip().partition("-")[0]
    file = run.path / FOLDER / f"{name}.json"
    if not name.isalnum() or not file.is_file():
        message = f"this run has no key for sheet {name!r}"
        fix = "give the run that the sheet was written from"
        raise _problem(sheet, message, fix, line=rows[0][0])
    try:
        key: dict[str, dict[str, str]] = json.loads(file.read_text("utf-8"))["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _problem(file, f"the key is damaged: {error}", "export a new sheet") from None
    return key


@dataclass(frozen=True, slots=True)
class Agreement:
    """One slice of a review.

    Attributes:
        what: `label`, `critic's comparison`, or a role.
        agreed: Decided pairs in which the reviewer prefers what the label does.
        ties: Pairs the reviewer held equal; they are in neither number of `agreed`.
        kappa: Cohen's kappa of reviewer and label over the decided pairs.
    """

    what: str
    agreed: Rate
    ties: int
    kappa: Kappa


def agreements(review: Review, *, seed: int = 0) -> list[Agreement]:
    """The label over all pairs, by role, and where the label is a critic's comparison.

    A label by construction is no judgement of a critic: pairs with such a label say
    nothing about the critic, and without others there is no row for it.
    """
    rows = review.rows
    slices: list[tuple[str, Sequence[ReviewedPair]]] = [("label", rows)]
    slices += [
        (f"label, {role.replace('_', ' ')}", [row for row in rows if row.pair.role == role])
        for role in ("at_risk", "twin")
    ]
    slices.append(("critic's comparison", [r for r in rows if r.pair.label == "comparison"]))
    return [_agreement(what, found, seed) for what, found in slices if found]


def _agreement(what: str, rows: Sequence[ReviewedPair], seed: int) -> Agreement:
    decided = [row for row in rows if row.said != "tie"]
    return Agreement(
        what,
        Rate(sum(row.said == row.labelled for row in decided), len(decided)),
        len(rows) - len(decided),
        cohen_kappa([r.said for r in decided], [r.labelled for r in decided], seed=seed),
    )
