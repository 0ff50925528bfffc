"""The commands of authors: new, show, diff, coverage, refine, export, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console, RenderableType

from ..archetypes.draft import new_archetype
from ..archetypes.loader import LIBRARY, load_archetypes
from ..authoring.coverage import coverage as count_coverage
from ..authoring.coverage_picture import draw_coverage
from ..authoring.diff import diff as diff_sides
from ..authoring.side import load_revision, load_side
from ..constitution.compiler import compile_constitution
from ..errors import ConfigurationError
from ..files.validation import suggestion
from .interchange import export_command, import_command
from .refine import refine
from .render.card import VOCABULARIES, archetype_card, principle_card, vocabulary_card
from .render.coverage import coverage_text
from .render.diff import diff_text

console = Console()
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
