"""The studio as one web application, and the server that shows it on this machine only."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Thread

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import Receive, Scope, Send

from ..errors import AnlageError
from . import home
from .page import HERE, Asked
from .place import NotThereError, Place
from .security import Guard, TooLargeError, too_large

_FILES = {
    "studio.css": ("studio.css", "text/css"),
    "studio.js": ("studio.js", "text/javascript"),
    "write.js": ("write.js", "text/javascript"),
    "htmx.min.js": ("vendor/htmx.min.js", "text/javascript"),
    "codemirror.min.mjs": ("vendor/codemirror.min.mjs", "text/javascript"),
}
"""Every file that is sent as it is: name in the address -> file here and its type."""


def make_app(folder: Path, token: str) -> Guard:
    """The studio of a folder.

    Args:
        folder: Folder with archetype files, configs and `runs/`.
        token: Whoever opens `/?token=...` with it may use the studio.
    """
    app = Starlette(
        routes=[*home.ROUTES, Route("/files/{name}", _file), Mount("/", _later)],
        exception_handlers={
            404: _not_there,
            NotThereError: _not_there,
            TooLargeError: lambda request, error: too_large(),
            AnlageError: _our_error,
            OSError: _machine_error,
        },
    )
    app.state.place = Place(folder.resolve())
    return Guard(app, token)


def serve(folder: Path, port: int, started: Callable[[str], object]) -> None:
    """Shows the studio until it is interrupted.

    Args:
        folder: Folder with archetype files, configs and `runs/`.
        port: Port on 127.0.0.1; 0 takes a free one.
        started: Told the address, its token in it.

    Raises:
        OSError: The port cannot be used.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()  # from here on the address that is printed answers
        token = secrets.token_urlsafe(32)
        config = uvicorn.Config(
            make_app(folder, token),
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,  # a page that follows a run would hold it for ever
        )
        Thread(target=_screens, daemon=True).start()  # while the first page is read
        started(f"http://127.0.0.1:{listening.getsockname()[1]}/?token={token}")
        uvicorn.Server(config).run(sockets=[listening])


@cache
def _screens() -> Router:
    """All screens but the first one, which need a second to be imported."""
    from . import compare, live, pairs, plan, results, review, talk, write

    screens = (write, talk, plan, compare, live, pairs, review, results)
    return Router([route for module in screens for route in module.ROUTES])


async def _later(scope: Scope, receive: Receive, send: Send) -> None:
    await (await run_in_threadpool(_screens))(scope, receive, send)


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "report.css":
        from ..report.run.report import style_sheet

        return Response(style_sheet(), media_type="text/css")
    if name not in _FILES:
        raise NotThereError(f"There is no file called {name!r} here.")
    file, kind = _FILES[name]
    return FileResponse(HERE / file, media_type=kind, headers={"cache-control": "no-cache"})


def _asked(request: Request) -> Asked:
    return Asked(request, request.app.state.place, {})


def _not_there(request: Request, error: Exception) -> Response:
    text = str(error) if isinstance(error, NotThereError) else "There is no such page."
    return _asked(request).sentence("Not there", text, status=404)


def _our_error(request: Request, error: Exception) -> Response:
    return _asked(request).sentence("This did not work", str(error), status=400)


def _machine_error(request: Request, error: Exception) -> Response:
    """A full disk, a file without rights: said, and the studio goes on."""
    text = re.sub(r"^\[Errno \d+\] ", "", str(error))
    return _asked(request).sentence("The machine says no", text, status=507)
