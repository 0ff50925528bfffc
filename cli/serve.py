"""`anlage serve`: a local model, or a trained run, behind OpenAI's protocol on this machine."""

from __future__ import annotations

import asyncio
import errno
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ..errors import ConfigurationError
from ..llm.run_sync import run_sync

if TYPE_CHECKING:
    from ..llm.served.server import Server

console = Console(soft_wrap=True)


def serve(
    target: Annotated[str, typer.Argument(help="smollm2-135m, a folder, a hub id, or a run.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    adapters: Annotated[
        Path | None, typer.Option(help="Folder that adapters may be loaded from.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=1024)] = 32,
    dtype: Annotated[str, typer.Option(help="auto, bfloat16, float16 or float32.")] = "auto",
) -> None:
    """Serve a model on 127.0.0.1 for `served:NAME@URL`, `policy_server` or any OpenAI client.

    Of a run directory, the trained model is served, under the run's name, beside its base.
    """
    from ..llm.served.server import HOST
    from ..llm.served.server import serve as run_server

    folder = Path(target).expanduser()
    run = folder if (folder / "config.yaml").is_file() and not _is_model(folder) else None
    with console.status("loading the model"):
        server, names = _loaded(target, run, adapters or run, batch_size, dtype)

    def on_ready(taken: int) -> None:
        console.print(
            f"serving {', '.join(names)} at http://{HOST}:{taken}/v1 (Ctrl-C stops)", markup=False
        )

    async def until_stopped() -> None:
        work = asyncio.ensure_future(run_server(server, port, on_ready))
        for sign in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(sign, work.cancel)
        with suppress(asyncio.CancelledError):
            await work

    try:
        run_sync(until_stopped())
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        message = f"port {port} is in use on {HOST}"
        fix = "give another --port, or stop what listens there"
        raise ConfigurationError.one("M003", "--port", message, fix) from None


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file()


def _loaded(
    target: str, run: Path | None, adapters: Path | None, batch_size: int, dtype: str
) -> tuple[Server, list[str]]:
    """The server, and what its models are called.

    Raises:
        ModelNotFoundError: No such model, or the run has not trained one.
        ConfigurationError: There is no such folder of adapters, or no such dtype.
    """
    from ..llm.local.embedded import resolve_model
    from ..llm.local.fingerprint import hash_weights
    from ..llm.local.model import LocalModel
    from ..llm.served.server import Server

    if adapters is not None and not adapters.is_dir():
        message = f"there is no folder {adapters}"
        fix = "give the run directory, or the folder that holds the runs; it must exist"
        raise ConfigurationError.one("R001", "--adapters", message, fix)
    if dtype not in ("auto", "bfloat16", "float16", "float32"):
        fix = "use auto, bfloat16, float16 or float32"
        raise ConfigurationError.one("C010", "--dtype", f"there is no dtype {dtype!r}", fix)
    name, trained = (target, None) if run is None else _of_run(run)

    def load(adapter: Path | None) -> LocalModel:
        return LocalModel.load(name, adapter=adapter, dtype=dtype, batch_size=batch_size)

    weights = hash_weights(resolve_model(name))
    server = Server(name, load(None), weights=weights, adapters=adapters, load=load)
    if run is None or trained is None:
        return server, [name]
    called = run.resolve().name
    if trained.name == "model":
        whole = LocalModel.load(trained, dtype=dtype, batch_size=batch_size)
        server.add(called, whole, trained)
    else:
        server.add(called, load(trained), trained)
    return server, [name, called]


def _of_run(run: Path) -> tuple[str, Path | None]:
    """The base model of a run, and the weights it ends with; None before it is trained."""
    from ..pipeline.gather import last_weights
    from ..pipeline.resolved import Resolved

    trained = last_weights(run)
    return Resolved.load(run / "config.yaml").model, trained if trained.is_dir() else None
