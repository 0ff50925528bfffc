"""`anlage studio`: the runs and archetypes of a folder in a browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..errors import NotSupportedError


def studio(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder with archetype files, configs and runs/.", exists=True, file_okay=False
        ),
    ] = Path(),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8765,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser.")] = False,
) -> None:
    """Show archetypes, pairs, reviews and results in a browser, on this machine only.

    The first line printed is the address; whoever has it may use the studio.
    """
    import webbrowser

    try:
        from ..studio.app import serve
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn", "jinja2"):
            raise
        raise NotSupportedError(
            f"the studio needs {error.name}: pip install 'anlage[studio]'"
        ) from None

    def started(address: str) -> None:
        print(address, flush=True)
        print("Only this machine can open it. Ctrl-C ends the studio; runs go on.", flush=True)
        if not no_open:
            webbrowser.open(address)

    os.chdir(folder)  # paths in configs count from where commands are run
    try:
        serve(Path(), port, started)
    except OSError as error:
        message = f"port {port} cannot be used: {error.strerror}. Take any free one: --port 0"
        raise typer.BadParameter(message, param_hint="--port") from None
