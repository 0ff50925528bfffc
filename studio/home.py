"""Home: the folder's runs and studies, and where to go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import FileResponse, Response

from ..archetypes.draft import new_archetype
from ..files.write import hash_path
from ..inspection.registry import RegisteredRun
from ..inspection.run_state import run_state
from .live import is_at_work
from .page import Asked, go_to, pages_of, screen
from .place import NotThereError, verdict_of

_RUNS_A_PAGE: Final = 30
_NEXT: Final = {
    "failed": "Read the reason, change what it names, and continue: finished work is kept.",
    "stopped": "Continue it: what is stored is not asked again.",
    "left": "It ended without a word, such as by a power cut. Continue it: nothing is lost.",
    "corrupt": "A file was changed after it was made. Continue it to make that stage again.",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One run as a reader of the list wants it."""

    run: RegisteredRun
    state: str
    verdict: str
    cost: str
    advice: str


def _home(asked: Asked) -> Response:
    found, page, last = pages_of(asked.place.runs(), asked.query("page"), _RUNS_A_PAGE)
    studies = [
        (folder.name, verdict_of(folder / "report.html")) for folder in asked.place.studies()
    ]
    data = {
        "folder": asked.place.folder,
        "rows": [_row(run) for run in found],
        "page": page,
        "last": last,
        "studies": studies,
        "archetypes": [asked.place.name(file) for file in asked.place.archetypes()],
    }
    return asked.page("home.html", data=data)


def _row(run: RegisteredRun) -> _Row:
    state = run.state.state
    at_work = is_at_work(run.path)
    shown = "running" if at_work else "left" if state == "running" else state
    verdict = verdict_of(run.path / "60_report.html") if state == "finished" else run.state.reason
    return _Row(run, shown, verdict, _cost(run), _NEXT.get(shown, ""))


def _cost(run: RegisteredRun) -> str:
    spent = run.state.spent
    money = f", ${spent.usd:.2f}" if spent.usd else ""
    return f"{spent.calls or run.state.calls} calls{money}, {run.state.seconds / 60:.0f} min"


def _new(asked: Asked) -> Response:
    folder = asked.place.folder / "archetypes"
    path = new_archetype(asked.form.get("name", ""), folder)
    return go_to("/write/" + asked.place.name(path))


def _study(asked: Asked) -> Response:
    for folder in asked.place.studies():
        if folder.name == asked.path("name"):
            return _report(folder / "report.html")
    raise NotThereError(f"There is no study called {asked.path('name')!r} with a report.")


def _run_report(asked: Asked) -> Response:
    file = asked.place.run(asked.path("run")).path / "60_report.html"
    if not file.is_file():
        raise NotThereError("This run has no report yet: its last stage has not run.")
    return _report(file)


def _report(file: object) -> Response:
    return FileResponse(str(file), media_type="text/html", headers={"x-anlage-report": "1"})


def _check(asked: Asked) -> Response:
    """Hashes every file of a run and says what differs from what its stages left."""
    run = asked.place.run(asked.path("run"))
    found = run_state(run.path)
    text = f"{found.state}. {found.reason}"
    if found.state == "finished":
        text = f"Every file is as its stage left it. Pairs: {hash_path(run.pairs)[:12]}."
    return asked.sentence(f"{run.path.name}, checked", text)


ROUTES = (
    screen("/", _home),
    screen("/new", _new, post=True),
    screen("/studies/{name}", _study),
    screen("/runs/{run}/report", _run_report),
    screen("/runs/{run}/check", _check),
)
