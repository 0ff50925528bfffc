"""Live: what a run is doing, read from the files it writes; and starting and stopping it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..errors import RunDirectoryError
from ..files.lines import json_lines
from ..inspection.registry import read_config
from ..inspection.run_state import run_state
from ..pipeline.manifest import Manifest
from ..pipeline.run_directory import RunDirectory
from .page import Asked, go_to, screen
from .place import Place

_EVERY: Final = 1.0
"""Seconds between two looks at the files."""
_TAIL: Final = 20_000
"""Bytes of the log that are shown."""
_CURVES: Final = {
    "loss": "loss",
    "rewards/margins": "margin of chosen over rejected (nats × beta)",
    "logps/chosen": "log-probability of chosen answers (nats)",
    "kl": "KL from the reference (nats)",
}
_FILES: Final = (
    *("manifest.json", "spending.jsonl", "30_pairs.jsonl", "40_training/metrics.jsonl"),
    "40_training/conditions.jsonl",
)


def is_at_work(folder: Path) -> bool:
    """Whether a process holds the run directory; a kill releases it, so a file cannot lie."""
    try:
        with (folder / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # none there
        return False
    return False


def log_of(folder: Path) -> Path:
    """What a run that the studio started has printed: a file beside its folder."""
    return folder.with_name(f"{folder.name}.log")


def start(config: Path, folder: Path, inside: Path) -> None:
    """Starts `anlage run` as a process of its own, which goes on when the studio ends.

    Args:
        config: The config, or the run directory.
        folder: The run directory it will have.
        inside: Where paths in the config count from.

    Raises:
        RunDirectoryError: A process is at work in that folder already.
        OSError: The log cannot be written.
    """
    if is_at_work(folder):
        raise RunDirectoryError(f"{folder} is at work already. Wait for it, or stop it first.")
    log = log_of(folder)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as out:
        subprocess.Popen(  # noqa: S603 - no shell, our own command
            [sys.executable, "-m", "anlage.cli", "run", str(config)],
            cwd=inside,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        )


def stop(folder: Path) -> bool:
    """Interrupts the process that holds a run directory, as Ctrl-C would; True if there is one."""
    if not is_at_work(folder):
        return False
    try:
        os.kill(int((folder / ".lock").read_text("utf-8")), signal.SIGINT)
    except (OSError, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Curve:
    """One measure over the steps of a training, as points of a drawing 300 wide and 80 high."""

    name: str
    points: str
    first: float
    last: float
    steps: int


def curves(metrics: Sequence[dict[str, Any]]) -> list[Curve]:
    """The curves that the metrics have at least two points of."""
    found = []
    for key, name in _CURVES.items():
        rows = [(row.get("step", 0), row[key]) for row in metrics if _is_number(row.get(key))]
        if len(rows) < 2:
            continue
        xs, ys = [row[0] for row in rows], [row[1] for row in rows]
        wide, high = (max(xs) - min(xs)) or 1, (max(ys) - min(ys)) or 1
        points = " ".join(
            f"{300 * (x - min(xs)) / wide:.1f},{80 - 80 * (y - min(ys)) / high:.1f}"
            for x, y in rows
        )
        found.append(Curve(name, points, ys[0], ys[-1], xs[-1]))
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and value == value and abs(value) != float("inf")


def state_of(folder: Path) -> dict[str, Any]:
    """Everything the page shows, read anew; a damaged or half-written file costs only its part."""
    state = run_state(folder, check=())
    problem = ""
    stages: dict[str, Any] = {}
    try:
        stages = {name: asdict(record) for name, record in Manifest(folder).stages.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"manifest.json cannot be read just now ({error})"
    metrics = _rows(folder / "40_training" / "metrics.jsonl")
    return {
        "name": folder.name, "state": state, "at_work": is_at_work(folder), "stages": stages,
        "problem": problem, "spent": state.spent, "budget": read_config(folder).get("budget") or {},
        "pairs": _rows(folder / "30_pairs.jsonl", last=3)[::-1], "curves": curves(metrics),
        "events": _rows(folder / "40_training" / "conditions.jsonl", last=12)[::-1],
        "log": _tail(log_of(folder)),
    }  # fmt: skip


def _rows(file: Path, *, last: int = 0) -> list[dict[str, Any]]:
    """The rows of a file that is being written: a line that is not whole yet is left out."""
    try:
        with file.open("rb") as stream:
            if last:
                stream.seek(max(0, file.stat().st_size - 200_000))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    rows = [row for _, row in json_lines(text, lambda line, error: None) if isinstance(row, dict)]
    return rows[-last:] if last else rows


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - _TAIL))
            return stream.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _live(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    return asked.page("live.html", data={"run": run, "live": state_of(run.path)})


def _begin(asked: Asked) -> Response:
    run: RunDirectory = asked.place.run(asked.path("run"))
    start(run.path, run.path, asked.place.folder)
    return go_to(f"/runs/{run.path.name}/live")


def _stop(asked: Asked) -> Response:
    run = asked.place.run(asked.path("run"))
    stop(run.path)
    return go_to(f"/runs/{run.path.name}/live")


async def _events(request: Request) -> Response:
    place: Place = request.app.state.place
    folder = place.run(request.path_params["run"]).path
    asked = Asked(request, place, {})

    def render() -> str:
        page = asked.page("live_state.html", data={"live": state_of(folder)})
        return bytes(page.body).decode()

    async def follow() -> AsyncIterator[str]:
        seen: object = None
        while not await request.is_disconnected():
            now = _signature(folder)
            if now != seen:
                seen = now
                page = await run_in_threadpool(render)
                yield f"event: state\ndata: {json.dumps(page)}\n\n"
            else:
                yield ": nothing new\n\n"
            if not is_at_work(folder) and now == _signature(folder):
                yield "event: end\ndata: {}\n\n"
                return
            await asyncio.sleep(_EVERY)

    return StreamingResponse(follow(), media_type="text/event-stream")


def _signature(folder: Path) -> object:
    """Changes whenever one of the followed files does."""
    files = [*(folder / name for name in _FILES), log_of(folder)]
    states = [file.stat() if file.exists() else None for file in files]
    return [state and (state.st_mtime_ns, state.st_size) for state in states], is_at_work(folder)


ROUTES = (
    screen("/runs/{run}/live", _live),
    screen("/runs/{run}/continue", _begin, post=True),
    screen("/runs/{run}/stop", _stop, post=True),
    Route("/runs/{run}/events", _events),
)
