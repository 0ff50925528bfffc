"""Review: a person judges pairs blind, one a page; then what that says about the labels."""

from __future__ import annotations

from threading import Lock
from typing import Final

from starlette.responses import Response

from ..evaluation.wording import rate_text
from ..inspection.judgements import (
    SKIPPED,
    SheetRow,
    between,
    flags,
    open_sheet,
    read_reviews,
    reviewers,
    right_labels,
    say,
    sheet_of,
    sheet_rows,
    without,
    wrong_labels,
)
from ..inspection.review import agreements
from ..pipeline.run_directory import RunDirectory
from .page import Asked, go_to, screen
from .place import NotThereError

_WORDS: Final = {"A": "A", "B": "B", "T": "tie"}
_writing = Lock()
"""Two tabs of one reviewer write to one sheet."""


def _start(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    people = []
    for name in reviewers(run):
        rows = sheet_rows(sheet_of(run, name))
        people.append((name, sum(row.is_done for row in rows), len(rows)))
    return asked.page("review.html", data={"run": run, "people": people})


def _begin(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    limit = asked.form.get("limit", "")
    number = int(limit) if limit.isdecimal() and len(limit) < 7 else 50
    name = asked.form.get("name", "").strip()
    with _writing:
        open_sheet(run, name, limit=max(1, number))
    return go_to(f"/runs/{run.path.name}/review/{name}")


def _rows(asked: Asked) -> tuple[RunDirectory, str, list[SheetRow]]:
    run, name = asked.place.run(asked.path("run")), asked.path("name")
    sheet = sheet_of(run, name)
    if not sheet.is_file():
        raise NotThereError(f"{name} has not begun a review of this run.")
    return run, name, sheet_rows(sheet)


def _one(asked: Asked) -> Response:
    """The next row that is open, or the one that is asked for."""
    run, name, rows = _rows(asked)
    wanted, last = asked.query("row"), asked.query("last")
    row = next((r for r in rows if r.row == wanted), None)
    row = row or next((r for r in rows if not r.is_done), None)
    data = {
        "run": run, "name": name, "row": row, "total": len(rows),
        "done": sum(r.is_done for r in rows), "skipped": sum(_is_skipped(r) for r in rows),
        "last": last if any(r.row == last for r in rows) else "",
    }  # fmt: skip
    return asked.page("judge.html", data=data)


def _is_skipped(row: SheetRow) -> bool:
    return not row.better and row.is_done


def _say(asked: Asked) -> Response:
    run, name, _ = _rows(asked)
    row, word, note = (asked.form.get(field, "") for field in ("row", "better", "note"))
    note = note.removeprefix(SKIPPED).strip()[:2000]
    with _writing:
        if word == "U":
            say(sheet_of(run, name), row, "", "")
        elif word == "S":
            say(sheet_of(run, name), row, "", f"{SKIPPED} {note}".strip())
        else:
            say(sheet_of(run, name), row, _WORDS.get(word, word or "nothing"), note)
    query = {"row": row} if word == "U" else {"last": row}
    return go_to(f"/runs/{run.path.name}/review/{name}", query)


def _skipped(asked: Asked) -> Response:
    """Opens the skipped rows again."""
    run, name, rows = _rows(asked)
    with _writing:
        for row in rows:
            if _is_skipped(row):
                say(sheet_of(run, name), row.row, "", row.note.removeprefix(SKIPPED).strip())
    return go_to(f"/runs/{run.path.name}/review/{name}")


def _result(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    reviews, problems = read_reviews(run)
    agreed = [
        (
            name,
            [(row.what, rate_text(row.agreed), row.ties, row.kappa) for row in agreements(found)],
        )
        for name, found in reviews.items()
        if found.rows
    ]
    differing = [
        (name, row, row.pair)
        for name, found in reviews.items()
        for row in found.rows
        if row.holds == "rejected"
    ]
    data = {
        "run": run, "agreed": agreed, "problems": problems, "differing": differing,
        "modes": [(mode, rate_text(rate), rate) for mode, rate in right_labels(reviews).items()],
        "between": between(reviews), "flagged": flags(run), "wrong": wrong_labels(run, reviews),
    }  # fmt: skip
    return asked.page("reviewed.html", data=data)


def _use(asked: Asked) -> Response:
    """Writes the pairs without those held wrong, and a config that trains on them."""
    run = asked.place.run(asked.path("run"))
    wrong = wrong_labels(run, read_reviews(run)[0])
    config = without(run, wrong, asked.place.folder)
    return go_to("/plan", {"config": asked.place.name(config)})


ROUTES = (
    screen("/runs/{run}/review", _start),
    screen("/runs/{run}/review", _begin, post=True),
    screen("/runs/{run}/reviewed", _result),
    screen("/runs/{run}/reviewed", _use, post=True),
    screen("/runs/{run}/review/{name}", _one),
    screen("/runs/{run}/review/{name}", _say, post=True),
    screen("/runs/{run}/review/{name}/skipped", _skipped, post=True),
)
