"""Pairs: the table of a run's pairs, the doubtful first, and one pair with all behind it."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from markupsafe import Markup, escape
from starlette.responses import Response

from ..archetypes.lint.answer_label import mislabelled
from ..errors import PromptError
from ..evaluation.checks.verify import check_verdict
from ..inspection.judgements import flag, flags
from ..inspection.registry import read_config
from ..inspection.trace import trace
from ..pipeline.run_directory import RunDirectory
from ..preferences.dataset import Pairs
from ..preferences.pair import Pair
from ..prompts.check import Check
from ..prompts.loader import load_checks
from .page import Asked, go_to, pages_of, screen
from .place import NotThereError

_ROWS: Final = 25
_UNSURE: Final = 0.7
"""Below this probability the label says little."""
_ALIKE: Final = 0.35
"""Share of common words from which it helps to mark the others."""
_FILTERS: Final = ("q", "principle", "mode", "role", "label", "doubt")


@dataclass(frozen=True, slots=True)
class Row:
    """One pair, its doubts in words (none: nothing speaks against its label), and its text."""

    pair: Pair
    doubts: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Index:
    """A pairs file, read once: the doubtful pairs first, then in the file's order."""

    rows: tuple[Row, ...]
    choices: dict[str, dict[str, int]]
    doubtful: int


def index_of(run: RunDirectory) -> Index:
    """The index of a run's pairs, read again only when the file has changed.

    Raises:
        NotThereError: The run has no pairs yet.
        PairError: The file is damaged.
    """
    if not run.pairs.is_file():
        raise NotThereError(
            "This run has no pairs in one file: they are not built yet, or each round has its own."
        )
    state = run.pairs.stat()
    return _index(run.path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _index(folder: Path, changed: int, size: int) -> Index:
    run = RunDirectory(folder)
    checks = _checks(run)
    rows = [_row(pair, checks.get(pair.prompt_id)) for pair in Pairs.load(run.pairs)]
    rows.sort(key=lambda row: -len(row.doubts))  # stable: else the file's order
    counted = {
        "principle": Counter(name for row in rows for name in row.pair.principles),
        "mode": Counter(row.pair.failure_mode for row in rows),
        "role": Counter(str(row.pair.role) for row in rows),
        "label": Counter(row.pair.label for row in rows),
    }
    choices = {name: dict(sorted(count.items())) for name, count in counted.items()}
    return Index(tuple(rows), choices, sum(bool(row.doubts) for row in rows))


def _checks(run: RunDirectory) -> dict[str, Check]:
    prompts = read_config(run.path).get("prompts") or {}
    folder = Path(prompts["folder"]) if prompts.get("folder") else None
    try:
        return load_checks("train", sets=prompts.get("sets"), folder=folder)
    except (PromptError, OSError):  # moved or changed since: then nothing is known of checks
        return {}


def _row(pair: Pair, check: Check | None) -> Row:
    asked = pair.prompt[-1].content
    text = "\n".join((asked, pair.chosen, pair.rejected)).casefold()
    return Row(pair, tuple(_doubts(pair, check, asked)), text)


def _doubts(pair: Pair, check: Check | None, asked: str) -> list[str]:
    found = []
    if check is not None:
        if check_verdict(check, pair.chosen, asked) == "fails":
            found.append("the prompt's check says that the chosen answer fails")
        if check_verdict(check, pair.rejected, asked) == "keeps":
            found.append("the prompt's check says that the rejected answer keeps")
    # A pair names the failure that its rejected answer shows, whichever half it is of.
    for side, what in mislabelled(pair.failure_mode, "at_risk", pair.chosen, pair.rejected):
        found.append(f"the {'chosen' if side == 'good' else 'rejected'} answer {what}")
    if pair.p_chosen < _UNSURE:
        found.append(f"the label is unsure (p {pair.p_chosen:.2f})")
    return found


def chosen_rows(index: Index, wanted: dict[str, str]) -> list[Row]:
    """The rows that all filters let through.

    Args:
        index: The run's pairs.
        wanted: Filter -> value; "" lets everything through. `q`: every word of it must stand
            in the prompt or an answer.
    """
    rows: Iterable[Row] = index.rows  # 50,000 of them: only the filters that are set are asked
    if principle := wanted.get("principle"):
        rows = (row for row in rows if principle in row.pair.principles)
    if mode := wanted.get("mode"):
        rows = (row for row in rows if mode == row.pair.failure_mode)
    if role := wanted.get("role"):
        rows = (row for row in rows if role == row.pair.role)
    if label := wanted.get("label"):
        rows = (row for row in rows if label == row.pair.label)
    if wanted.get("doubt"):
        rows = (row for row in rows if row.doubts)
    for word in wanted.get("q", "").casefold().split():
        rows = [row for row in rows if word in row.text]
    return list(rows)


def marked(one: str, other: str) -> Markup:
    """A text in which the words that the other text lacks are marked; everything is escaped.

    Two texts with hardly a word in common are left plain: marking all of it shows nothing.
    """
    mine, its = (re.findall(r"\s*\S+", text) for text in (one, other))
    words, other_words = ([part.strip() for part in parts] for parts in (mine, its))
    matcher = difflib.SequenceMatcher(None, words, other_words, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return escape(one)
    parts = []
    for kind, start, end, _, _ in matcher.get_opcodes():
        text = "".join(mine[start:end])
        bare = text.lstrip()
        plain = kind == "equal" or not bare
        parts.append(escape(text[: len(text) - len(bare)]))
        parts.append(escape(bare) if plain else Markup("<mark>{}</mark>").format(bare))
    return Markup("").join(parts)


def _table(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    index = index_of(run)
    wanted = {name: asked.query(name) for name in _FILTERS}
    found = chosen_rows(index, wanted)
    rows, page, last = pages_of(found, asked.query("page"), _ROWS)
    shown = [
        (
            row,
            marked(row.pair.chosen, row.pair.rejected),
            marked(row.pair.rejected, row.pair.chosen),
        )
        for row in rows
    ]
    kept = {name: value for name, value in wanted.items() if value}
    data = {
        "run": run, "rows": shown, "found": len(found), "total": len(index.rows),
        "doubtful": index.doubtful,
        "choices": index.choices, "wanted": wanted, "kept": kept, "page": page, "last": last,
        "flagged": flags(run), "part": asked.is_part,
    }  # fmt: skip
    return asked.page("pairs.html", data=data)


def _pair(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    name = asked.path("pair")
    row = _found(run, name)
    try:
        found = trace(run, name)
    except KeyError as error:
        raise NotThereError(f"The constitution lacks a principle of this pair: {error}") from None
    data = {
        "run": run, "found": found, "pair": found.pair, "doubts": row.doubts,
        "chosen": marked(found.pair.chosen, found.pair.rejected),
        "rejected": marked(found.pair.rejected, found.pair.chosen),
        "flagged": flags(run).get(name), "part": asked.is_part,
        "lines": [_editable(asked, principle.file) for principle in found.principles],
    }  # fmt: skip
    return asked.page("pair.html", data=data)


def _found(run: RunDirectory, name: str) -> Row:
    row = next((row for row in index_of(run).rows if row.pair.id == name), None)
    if row is None:
        raise NotThereError(f"There is no pair {name!r}.")
    return row


def _editable(asked: Asked, file: Path) -> str:
    """The address that opens a principle's file, "" where it is not in the folder."""
    try:
        path = file.resolve().relative_to(asked.place.folder)
        return f"/write/{path.as_posix()}"
    except ValueError:
        return ""


def _flag(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    name = asked.path("pair")
    _found(run, name)
    flag(run, name, wrong=asked.form.get("wrong") == "yes", note=asked.form.get("note", ""))
    return go_to(f"/runs/{run.path.name}/pairs/{name}")


ROUTES = (
    screen("/runs/{run}/pairs", _table),
    screen("/runs/{run}/pairs/{pair}", _pair),
    screen("/runs/{run}/pairs/{pair}/flag", _flag, post=True),
)
