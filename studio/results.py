"""Results: the verdict, all answers before and after, and the same as a folder to publish."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from ..errors import ConfigurationError
from ..evaluation.answer import Answer
from ..evaluation.change import Change
from ..evaluation.result import Evaluation
from ..evaluation.wording import change_cells, verdict_sentence
from ..files.write import write_atomically
from ..pipeline.run_directory import RunDirectory
from .page import HERE, Asked, go_to, pages_of, screen, static_page
from .place import NotThereError

_ROWS: Final = 20
_FILTERS: Final = ("q", "mode", "role", "before", "after", "flipped")
WORDS: Final = (
    ("interval", "the range in which the true value lies in 95 of 100 samples like this one"),
    ("Holm", "the p-value, made stricter because several measures were looked at"),
    ("at risk", "a prompt to which a naive answer shows the failure"),
    ("twin", "the same request in form and length, where the opposite mistake threatens"),
    ("nats", "log-likelihood with the natural logarithm; 0.7 nats double a likelihood"),
    ("point", "one percentage point: from 40% to 45% are 5 points"),
)
"""Words explained where they stand."""


@dataclass(frozen=True, slots=True)
class Row:
    """The answers of both models to one prompt, and what the prompt's check said of them."""

    before: Answer
    after: Answer
    before_said: str
    after_said: str

    @property
    def flipped(self) -> bool:
        """Whether the verdict changed."""
        return self.before_said != self.after_said


@dataclass(frozen=True, slots=True)
class Found:
    """An evaluation with its changes worked out, which takes a moment."""

    evaluation: Evaluation
    verdict: str
    changes: tuple[Change, ...]
    rows: tuple[Row, ...]


def results_of(run: RunDirectory) -> Found:
    """The results of a run, read again only when the file has changed.

    Raises:
        NotThereError: Nothing was measured, or on one model only.
        ConfigurationError: The file is damaged.
    """
    if not run.evaluation.is_file():
        raise NotThereError("Nothing has been measured in this run yet.")
    return _read(run.evaluation, run.evaluation.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(file: Path, changed: int) -> Found:
    evaluation = Evaluation.from_json(file.read_text("utf-8"), source=str(file))
    if evaluation.baseline is None or not evaluation.compared:
        raise NotThereError("Only one model was measured in this run: nothing to compare.")
    name = evaluation.compared[-1]
    first, second = evaluation.model(evaluation.baseline), evaluation.model(name)
    said = [{c.prompt_id: str(c.verdict) for c in m.checked} for m in (first, second)]
    after = {answer.prompt_id: answer for answer in second.answers}
    rows = [
        Row(old, new, _said(old, said[0]), _said(new, said[1]))
        for old in first.answers
        if (new := after.get(old.prompt_id)) is not None
    ]
    changes = evaluation.changes(name)
    return Found(evaluation, verdict_sentence(evaluation), tuple(changes), tuple(rows))


def _said(answer: Answer, checked: dict[str, str]) -> str:
    """The verdict of the prompt's check where it has one, else the judge's."""
    return checked.get(answer.prompt_id) or answer.verdict or "call failed"


def _chosen(rows: Sequence[Row], wanted: dict[str, str]) -> list[Row]:
    words = wanted["q"].casefold().split()
    return [
        row
        for row in rows
        if wanted["mode"] in ("", row.before.failure_mode)
        and wanted["role"] in ("", row.before.role)
        and wanted["before"] in ("", row.before_said)
        and wanted["after"] in ("", row.after_said)
        and (row.flipped or not wanted["flipped"])
        and all(
            word in f"{row.before.prompt}\n{row.before.text}\n{row.after.text}".casefold()
            for word in words
        )
    ]


def tables(found: Found) -> list[tuple[str, list[tuple[str, ...]]]]:
    """The changes under what they are: better, worse, moved but neither, unclear."""
    titles = {"better": "Better", "worse": "Worse", "moved": "Moved, neither good nor bad"}
    rows: dict[str, list[tuple[str, ...]]] = {title: [] for title in titles.values()}
    unclear: list[tuple[str, ...]] = []
    for change in found.changes:
        if change.direction == "unclear":
            unclear.append(change_cells(change))
            continue
        kind = change.verdict if change.verdict != "unclear" else "moved"
        rows[titles[kind]].append(change_cells(change))
    return [(title, cells) for title, cells in (*rows.items(), ("Unclear", unclear)) if cells]


def _results(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    try:
        found = results_of(run)
    except NotThereError as error:
        state = run.manifest.status
        text = f"{error} The run is {state.get('state', 'not begun')}: {state.get('reason', '')}"
        return asked.page("results.html", data={"run": run, "found": None, "text": text})
    wanted = {name: asked.query(name) for name in _FILTERS}
    chosen = _chosen(found.rows, wanted)
    rows, page, last = pages_of(chosen, asked.query("page"), _ROWS)
    data = {
        **_common(run, found), "wanted": wanted, "rows": rows, "count": len(chosen),
        "page": page, "last": last, "part": asked.is_part,
        "kept": {name: value for name, value in wanted.items() if value},
    }  # fmt: skip
    return asked.page("results.html", data=data)


def _common(run: RunDirectory, found: Found) -> dict[str, object]:
    first = [row.before for row in found.rows]
    return {
        "run": run, "found": found, "words": WORDS, "tables": tables(found),
        "names": (found.evaluation.baseline, found.evaluation.compared[-1]),
        "total": len(found.rows),
        "choices": {
            "mode": sorted({answer.failure_mode for answer in first}),
            "role": sorted({str(answer.role) for answer in first}),
            "before": sorted({row.before_said for row in found.rows}),
            "after": sorted({row.after_said for row in found.rows}),
        },
    }  # fmt: skip


def export(run: RunDirectory, folder: Path) -> Path:
    """Writes verdict, numbers, all answers and the report as pages that need no server.

    Args:
        run: A run with an evaluation.
        folder: Where the pages go; made if it is not there, its old pages are replaced.

    Returns:
        `index.html` in the folder.

    Raises:
        NotThereError: Nothing was measured yet.
        RunDirectoryError: They cannot be written.
    """
    found = results_of(run)
    from ..report.run.report import style_sheet

    style = style_sheet() + (HERE / "studio.css").read_text("utf-8")
    data = {**_common(run, found), "rows": found.rows, "style": Markup(style)}  # noqa: S704
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "index.html", static_page("export.html", data))
    report = run.path / "60_report.html"
    if report.is_file():
        shutil.copyfile(report, folder / "report.html")
    return folder / "index.html"


def _export(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    try:
        index = export(run, asked.place.folder / "exports" / run.path.name)
    except ConfigurationError as error:
        return asked.sentence("Not exported", str(error), status=400)
    text = f"Open {index} in a browser, or copy its folder to any web server."
    return asked.sentence("Exported", text)


def _to_results(asked: Asked) -> Response:
    return go_to(f"/runs/{asked.place.run(asked.path('run')).path.name}/results")


ROUTES = (
    screen("/runs/{run}", _to_results),
    screen("/runs/{run}/results", _results),
    screen("/runs/{run}/export", _export, post=True),
)
