"""`anlage package` and `anlage push`: a trained model for others."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

if TYPE_CHECKING:
    from ..release.package import Package

_Run = Annotated[Path, typer.Argument(help="Run directory with a finished training.")]
_Merged = Annotated[bool, typer.Option(help="Write the whole model, not the adapter alone.")]
_Dtype = Annotated[
    Literal["float32", "bfloat16"], typer.Option(help="Of merged weights; bfloat16 rounds.")
]


def package(
    run: _Run,
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    merged: _Merged = False,
    dtype: _Dtype = "float32",
) -> None:
    """Write a trained model with tokenizer, model card and constitution."""
    from ..release.package import package as write

    console = Console()
    with console.status("writing"):
        made = write(run, folder, merged=merged, dtype=dtype)
    _show(made, console)


def push(
    run: _Run,
    repository: Annotated[str, typer.Argument(help="owner/name on the hub.")],
    merged: _Merged = False,
    dtype: _Dtype = "float32",
    private: Annotated[bool, typer.Option(help="A new repository is private.")] = True,
    really: Annotated[bool, typer.Option("--really", help="Send it; else only say what.")] = False,
) -> None:
    """Upload a trained model to the Hugging Face hub; a dry run unless --really is given."""
    from ..release.package import package as write
    from ..release.package import planned_calls
    from ..release.package import push as send

    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        with console.status("writing"):
            made = write(run, Path(folder) / "model", merged=merged, dtype=dtype)
        calls = planned_calls(made, repository, private=private)
        _show(made, console, name=repository)
        if not really:
            console.print("Dry run, nothing was sent. With --really:")
            for call in calls:
                console.print(f"  {call}", markup=False, highlight=False, soft_wrap=True)
            return
        with console.status("uploading"):
            address = send(made, repository, private=private)
    console.print(f"Sent: {address}", markup=False, highlight=False, soft_wrap=True)


def _show(made: Package, console: Console, name: str = "") -> None:
    where = name or str(made.folder)
    for file, size in made.files.items():
        console.print(f"{size / 1e6:9.2f} MB  {file}", markup=False, highlight=False)
    console.print(f"{made.size / 1e6:9.2f} MB  {where}", markup=False, highlight=False)
