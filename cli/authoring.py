"""The commands of authors: new, show, diff, coverage, refine, export, import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console, RenderableType

from ..archetypes.draft import new_archetype, write_new
from ..archetypes.loader import LIBRARY, load_archetypes
from ..authoring.coverage import coverage as count_coverage
from ..authoring.coverage import draw_coverage
from ..authoring.diff import diff as diff_sides
from ..authoring.diff import load_revision, load_side
from ..constitution.compiler import compile_constitution
from ..errors import ConfigurationError
from ..files.validation import suggestion
from ..llm.local.embedded import EMBEDDED
from ..llm.run_sync import run_sync
from .interchange import export_command, import_command
from .render.authoring import coverage_text, diff_text, proposals_text, refinement_text
from .render.card import VOCABULARIES, archetype_card, principle_card, vocabulary_card
from .spending import DryRun, Limits, MaxCalls, MaxUsd, Prices, Yes

if TYPE_CHECKING:
    from ..pipeline.models import RunModels
    from ..pipeline.progress import StageProgress

console = Console()
_stderr = Console(stderr=True)
_Path = Annotated[Path | None, typer.Option(help="Archetype file or folder, not the library.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the main program."""
    for command in (new, show, diff, coverage, refine):
        app.command()(command)
    app.command(name="export")(export_command)
    app.command(name="import")(import_command)


def new(
    what: Annotated[Literal["archetype"], typer.Argument(help="What to begin.")],
    name: Annotated[str, typer.Argument(help="Its name, e.g. Scout.")],
    out: Annotated[Path, typer.Option(help="Folder it goes to.")] = Path(),
) -> None:
    """Begin an archetype file; the linter then says what is still missing."""
    path = new_archetype(name, out)
    console.print(
        f"{path}: fill in every TODO; `anlage lint {path}` says which are left.", soft_wrap=True
    )


def show(
    name: Annotated[str, typer.Argument(help="Archetype, archetype file, or archetype/principle.")],
    path: _Path = None,
) -> None:
    """Show an archetype with its evidence, or a principle with everything a model is shown.

    `anlage show cues`, `failure_modes` and `references` list the words archetypes may use.
    """
    if path is None and name.endswith((".yaml", ".yml")):
        path = Path(name)
        name = ""
    if name in VOCABULARIES:
        folder = path if path is None or path.is_dir() else path.parent
        _print(vocabulary_card(name, folder))
        return
    source = path or LIBRARY
    archetypes = {archetype.id: archetype for archetype in load_archetypes(source)}
    principles = list(compile_constitution(source))
    if "/" in name:
        found = next((p for p in principles if p.id == name), None)
        if found is None:
            raise _unknown("C010", "principle", name, [p.id for p in principles])
        _print(principle_card(found, archetypes[found.archetype].source.works))
        return
    chosen = next(iter(archetypes)) if not name and len(archetypes) == 1 else name
    if chosen not in archetypes:
        raise _unknown("A019", "archetype", name, list(archetypes))
    _print(archetype_card(archetypes[chosen], [p for p in principles if p.archetype == chosen]))


def diff(
    old: Annotated[str, typer.Argument(help="Folder, file, compiled constitution or REV:PATH.")],
    new: Annotated[str, typer.Argument(help="The same, afterwards.")],
    rev: Annotated[bool, typer.Option("--rev", help="Both are git revisions of --path.")] = False,
    path: _Path = None,
) -> None:
    """Say which principles changed, in which field, and which line of YAML did it."""
    if rev:
        sides = [load_revision(name, path or LIBRARY) for name in (old, new)]
    else:
        sides = [load_side(name) for name in (old, new)]
    # The terminal wraps: a statement stays one line, as in the file a person searches for it.
    console.print(diff_text(diff_sides(*sides), old, new), highlight=False, soft_wrap=True)


def coverage(
    path: _Path = None,
    out: Annotated[Path | None, typer.Option(help="Picture to write: .svg, .png or .pdf.")] = None,
) -> None:
    """Count what guards, prompts and probes each failure mode; exit code 1 if one lacks any."""
    found = count_coverage(path or LIBRARY)
    console.print(coverage_text(found), highlight=False)
    if out is not None:
        draw_coverage(found, out)
        console.print(f"Picture: {out}", highlight=False)
    if found.gaps:
        raise typer.Exit(1)


def _print(text: RenderableType) -> None:
    console.print(text, highlight=False, soft_wrap=False)


def _unknown(code: str, what: str, name: str, known: list[str]) -> ConfigurationError:
    fix = suggestion(name, known)
    return ConfigurationError.one(code, name, f"no {what} `{name}`", fix)


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
    dry_run: DryRun = False,
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    prices: Prices = None,
    yes: Yes = False,
) -> None:
    """Ask a model for better wording, as a patch you may apply; no file is changed.

    Exit code 1 if no proposal was worth showing.
    """
    from ..authoring.refine import Refinement
    from ..authoring.refine import refine as propose

    source = path or LIBRARY
    load_archetypes(source, only=None if archetype is None else [archetype])

    def work(models: RunModels, progress: StageProgress) -> Refinement:
        return run_sync(
            propose(
                models.get(model),
                source,
                archetype=archetype,
                samples=samples,
                on_archetype=lambda name: progress.step(f"asking about {name}"),
            )
        )

    limits = Limits(dry_run, yes, max_calls, max_usd, prices)
    found = limits.spend([model], work, store=cache, title="loading the model")
    if found.patch and out is not None:
        write_new(out, found.patch)
    elif found.patch:
        print(found.patch, end="")
    if show:
        _stderr.print(proposals_text(found), highlight=False, soft_wrap=True)
    _stderr.print(refinement_text(found, out, source), highlight=False)
    if not found.patch:
        raise typer.Exit(1)
