"""The command `anlage refine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..archetypes.draft import write_new
from ..archetypes.loader import LIBRARY, load_archetypes
from ..llm.local.embedded import EMBEDDED
from ..llm.run_sync import run_sync

console = Console(stderr=True)


def refine(
    model: Annotated[str, typer.Argument(help="smollm2-135m, a folder, a hub id or scripted.")] = (
        EMBEDDED
    ),
    archetype: Annotated[str | None, typer.Option(help="Only this archetype.")] = None,
    path: Annotated[
        Path | None, typer.Option(help="Archetype file or folder, not the library.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Patch to write; else printed.")] = None,
    samples: Annotated[int, typer.Option(min=1, max=16, help="Proposals per sentence.")] = 2,
    cache: Annotated[
        Path, typer.Option(help="Store of model calls: what it holds is not asked again.")
    ] = Path("runs/cache.sqlite"),
    show: Annotated[bool, typer.Option("--all", help="Show the dropped proposals, too.")] = False,
) -> None:
    """Ask a model for better wording, as a patch you may apply; no file is changed.

    Exit code 1 if no proposal was worth showing.
    """
    from ..authoring.refine import refine as propose
    from ..llm.cached import CachedModel
    from ..llm.models import load_model
    from ..store.store import Store
    from .render.refine import proposals_text, refinement_text

    source = path or LIBRARY
    load_archetypes(source, only=None if archetype is None else [archetype])
    with Store(cache) as store, console.status("loading the model") as status:
        found = run_sync(
            propose(
                CachedModel(load_model(model), store),
                source,
                archetype=archetype,
                samples=samples,
                on_archetype=lambda name: status.update(f"asking about {name}"),
            )
        )
    if found.patch and out is not None:
        write_new(out, found.patch)
    elif found.patch:
        print(found.patch, end="")
    if show:
        console.print(proposals_text(found), highlight=False, soft_wrap=True)
    console.print(refinement_text(found, out, source), highlight=False)
    if not found.patch:
        raise typer.Exit(1)
