"""What people said of a run's pairs: their sheets, their flags, and what follows for training.

Everything lies under `review/` in the run directory: one sheet (CSV) a reviewer, which
`anlage review --read` reads too, and `flags.jsonl`, a line a flag.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from ..critic.critic_report import Kappa, cohen_kappa
from ..errors import ConfigurationError
from ..files.lines import json_lines
from ..files.write import append_lines, replacing
from ..pipeline.run_directory import RunDirectory
from ..preferences.dataset import Pairs
from ..stats.intervals import Rate
from .review import COLUMNS, FOLDER, Review, export_sheet, read_sheet

FLAGS: Final = "flags.jsonl"
SKIPPED: Final = "(skipped)"
"""A note that says nothing else: the row was seen and left empty."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of a reviewer's sheet. Which answer is which stands in the key only.

    Attributes:
        row: Its name.
        conversation: What was asked.
        answer_a: The answer shown first.
        answer_b: The other.
        better: `A`, `B`, `tie`, or "" while nothing is said.
        note: The reviewer's words.
    """

    row: str
    conversation: str
    answer_a: str
    answer_b: str
    better: str
    note: str

    @property
    def is_done(self) -> bool:
        """Whether the reviewer has been here: judged it, or skipped it."""
        return bool(self.better) or self.note.startswith(SKIPPED)


def reviewers(run: RunDirectory) -> list[str]:
    """Names of those who have a sheet, in order."""
    return sorted(file.stem for file in (run.path / FOLDER).glob("*.csv"))


def open_sheet(run: RunDirectory, reviewer: str, *, limit: int = 50, seed: int = 0) -> Path:
    """A reviewer's sheet, begun where there is none; all get the same rows in one order.

    Raises:
        ConfigurationError: The name cannot name a file, or the run has no pairs.
    """
    sheet = sheet_of(run, reviewer)
    if not sheet.exists():
        sheet.parent.mkdir(exist_ok=True)
        export_sheet(run, sheet, limit=limit, seed=seed)
    return sheet


def sheet_of(run: RunDirectory, reviewer: str) -> Path:
    """Where a reviewer's sheet lies, whether it is there or not.

    Raises:
        ConfigurationError: The name cannot name a file.
    """
    if not _NAME.fullmatch(reviewer):
        fix = "use letters, digits, '.', '_' and '-', at most 40, such as reviewer-1"
        raise ConfigurationError.one(
            "D030", "reviewer", f"the name {reviewer!r} cannot be used", fix
        )
    return run.path / FOLDER / f"{reviewer}.csv"


def sheet_rows(sheet: Path) -> list[SheetRow]:
    """The rows of a sheet in their order.

    Raises:
        ConfigurationError: It cannot be read, or is no sheet.
    """
    try:
        reader = csv.DictReader(io.StringIO(sheet.read_text("utf-8-sig"), newline=""))
        return [SheetRow(**{name: row[name] or "" for name in COLUMNS}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        fix = "move it away and begin again, or save it as CSV with its own columns"
        raise ConfigurationError.one("D030", sheet, f"cannot be read: {error}", fix) from None


def say(sheet: Path, row: str, better: str, note: str) -> None:
    """Writes what a reviewer said of one row; the other rows stay as they are.

    Args:
        sheet: The sheet.
        row: The row's name.
        better: `A`, `B`, `tie`, or "" to take it back.
        note: The reviewer's words.

    Raises:
        ConfigurationError: No such row, or `better` is something else.
        OSError: It cannot be written.
    """
    rows = sheet_rows(sheet)
    if better not in ("A", "B", "tie", "") or row not in {found.row for found in rows}:
        fix = "go back to the sheet and choose again"
        raise ConfigurationError.one("D030", sheet, f"row {row!r} cannot be {better!r}", fix)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for found in rows:
        said = (better, note) if found.row == row else (found.better, found.note)
        writer.writerow((found.row, found.conversation, found.answer_a, found.answer_b, *said))
    with replacing(sheet) as scratch:
        scratch.write_text(text.getvalue(), encoding="utf-8", newline="")


def flags(run: RunDirectory) -> dict[str, str]:
    """Pair id -> note, for pairs flagged as labelled wrong; the last line about a pair counts."""
    file = run.path / FOLDER / FLAGS
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    for _, row in json_lines(text, lambda line, error: None):
        if isinstance(row, dict) and isinstance(row.get("pair"), str):
            found.pop(row["pair"], None)
            if row.get("wrong"):
                found[row["pair"]] = str(row.get("note", ""))
    return found


def flag(run: RunDirectory, pair_id: str, *, wrong: bool, note: str = "") -> None:
    """Flags a pair's label as wrong, or takes the flag back.

    Raises:
        OSError: It cannot be written.
    """
    file = run.path / FOLDER / FLAGS
    file.parent.mkdir(exist_ok=True)
    append_lines(file, [json.dumps({"pair": pair_id, "wrong": wrong, "note": note})])


def read_reviews(run: RunDirectory) -> tuple[dict[str, Review], dict[str, str]]:
    """Every reviewer's sheet read back with its key, and why one could not be.

    Looking keeps nothing: what is trained next stays as it was.
    """
    found: dict[str, Review] = {}
    problems: dict[str, str] = {}
    for name in reviewers(run):
        try:
            found[name] = read_sheet(run, sheet_of(run, name), keep=False)
        except ConfigurationError as error:
            problems[name] = str(error)
    return found, problems


def right_labels(reviews: Mapping[str, Review]) -> dict[str, Rate]:
    """Failure mode -> share of decided judgements that say the pair's label is right."""
    counts: dict[str, list[bool]] = {}
    for review in reviews.values():
        for row in review.rows:
            if row.holds != "tie":
                counts.setdefault(row.pair.failure_mode, []).append(row.holds == "chosen")
    return {mode: Rate(sum(said), len(said)) for mode, said in sorted(counts.items())}


def between(reviews: Mapping[str, Review]) -> dict[tuple[str, str], Kappa]:
    """Agreement of every two reviewers on the pairs that both judged."""
    said = {
        name: {row.pair.id: str(row.holds) for row in review.rows}
        for name, review in reviews.items()
    }
    names = sorted(said)
    result: dict[tuple[str, str], Kappa] = {}
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            both = [pair for pair in said[first] if pair in said[second]]
            words = ([said[first][pair] for pair in both], [said[second][pair] for pair in both])
            result[first, second] = cohen_kappa(*words)
    return result


def wrong_labels(run: RunDirectory, reviews: Mapping[str, Review]) -> list[str]:
    """Ids of the pairs whose label people hold wrong, in the order of the pairs.

    A pair is among them where it is flagged, or where more reviewers prefer its rejected
    answer than its chosen one.
    """
    votes: dict[str, int] = dict.fromkeys(flags(run), 1)
    flagged = set(votes)
    for review in reviews.values():
        for row in review.rows:
            if row.holds != "tie" and row.pair.id not in flagged:
                against = 1 if row.holds == "rejected" else -1
                votes[row.pair.id] = votes.get(row.pair.id, 0) + against
    return [pair.id for pair in Pairs.load(run.pairs) if votes.get(pair.id, 0) > 0]


def without(run: RunDirectory, wrong: Sequence[str], folder: Path) -> Path:
    """Writes the run's other pairs and a config that trains on them.

    Args:
        run: The run.
        wrong: Ids of pairs that are left out.
        folder: Where the config goes; paths in it count from there, as in the run's own.

    Returns:
        The config, `<run>-reviewed.yaml`.

    Raises:
        ConfigurationError: The run has several rounds, or no pair would be left.
    """
    config = yaml.safe_load(run.config_file.read_text("utf-8"))
    if config.get("rounds", 1) != 1:
        fix = "review a run with one round, or name the pairs in a layer by hand"
        raise ConfigurationError.one("D030", run.path, "later rounds make their own pairs", fix)
    out = set(wrong)
    left = Pairs(pair for pair in Pairs.load(run.pairs) if pair.id not in out)
    if not left:
        raise ConfigurationError.one("D030", run.path, "no pair would be left", "build new ones")
    data = left.save(run.path / FOLDER / "pairs.jsonl")
    shown = data.relative_to(folder) if data.is_relative_to(folder) else data
    layers = config.get("layers") or [{"name": "reviewed", "kind": "dpo"}]
    config["layers"] = [
        {**layer, "data": shown.as_posix()}
        if layer["kind"] == "dpo" and not layer.get("data")
        else layer
        for layer in layers
    ]
    config["name"] = f"{run.path.name}-reviewed"
    target = folder / f"{config['name']}.yaml"
    with replacing(target) as scratch:
        scratch.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "utf-8")
    return target
