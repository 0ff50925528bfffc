"""The commands `anlage export` and `anlage import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .archetypes.draft import archetype_id, write_new
from .archetypes.loader import LIBRARY
from .constitution.compiler import compile_constitution
from .constitution.interchange.draft import draft_archetype, lost_lines
from .constitution.interchange.formats import (
    ANNOTATED_PAIRS,
    FORMATS,
    detect,
    export,
    get_format,
)
from .constitution.interchange.json_text import parse_json, read_source
from .constitution.principle import Constitution
from .errors import ConfigurationError, Problem

console = Console(stderr=True)
_NAMES = ", ".join([*FORMATS, ANNOTATED_PAIRS])


def export_command(
    name: Annotated[str, typer.Argument(metavar="FORMAT", help=f"One of: {_NAMES}.")],
    path: Annotated[
        Path | None, typer.Option(help="Archetype file or folder; the library if left out.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Archetype id; repeatable.")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Pairs to export with the principles (icai).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; else printed.")] = None,
) -> None:
    """Write the constitution in another project's format, and say what it cannot hold."""
    constitution = compile_constitution(path or LIBRARY, only=only)
    if name == ANNOTATED_PAIRS:
        text, lost = _annotated(constitution, pairs)
    else:
        text, lost = export(constitution, name, suffix=out.suffix.lower() if out else "")
    if out is None:
        print(text, end="")
    else:
        write_new(out, text)
        console.print(f"{out}: {len(constitution)} principles.", highlight=False)
    console.print(lost_lines(lost), markup=False, highlight=False, soft_wrap=True)


def import_command(
    file: Annotated[Path, typer.Argument(help="A constitution or annotated pairs.")],
    out: Annotated[
        Path, typer.Option(help="Folder or .yaml for a draft; .jsonl for pairs (icai).")
    ],
    name: Annotated[
        str | None, typer.Option("--format", help=f"{_NAMES}; told by its keys if left out.")
    ] = None,
) -> None:
    """Turn another project's constitution into an archetype draft that says what is missing."""
    text = read_source(file)
    kind = name or detect(text, str(file))
    if kind == ANNOTATED_PAIRS and out.suffix == ".jsonl":
        _import_pairs(text, file, out)
        return
    if kind == ANNOTATED_PAIRS:
        from .preferences.annotated_pairs import principles_of

        imported = principles_of(parse_json(text, str(file)), str(file))
    else:
        imported = get_format(kind).read(text, str(file))
    identifier = archetype_id(file.stem) or "imported"
    is_file = out.suffix in {".yaml", ".yml"}
    target = out if is_file else out / f"{identifier}.yaml"
    draft = draft_archetype(
        imported, name=target.stem if is_file else file.stem, source=file.name, target=target
    )
    write_new(target, draft)
    count = len(imported.rules)
    console.print(f"{target}: {count} principles read as {kind}; a draft.", highlight=False)
    if imported.lost:
        console.print(lost_lines(imported.lost), markup=False, highlight=False, soft_wrap=True)
    console.print(f"`anlage lint {target}` says what is still missing.", highlight=False)


def _annotated(constitution: Constitution, pairs: Path | None) -> tuple[str, list[str]]:
    from .preferences.annotated_pairs import LOST, to_annotated_pairs
    from .preferences.dataset import Pairs

    if pairs is None:
        fix = "add `--pairs RUN/30_pairs.jsonl`"
        message = "annotated pairs hold comparisons, and none were given"
        raise ConfigurationError([Problem("I003", "error", "export icai", 0, message, fix)])
    loaded = Pairs.load(pairs)
    data = to_annotated_pairs(loaded, constitution.principles, name=pairs.stem)
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n", list(LOST)


def _import_pairs(text: str, file: Path, out: Path) -> None:
    from .preferences.annotated_pairs import from_annotated_pairs
    from .preferences.dataset import Pairs

    pairs, lost = from_annotated_pairs(parse_json(text, str(file)), str(file))
    write_new(out, "")
    Pairs(pairs).save(out)
    console.print(f"{out}: {len(pairs)} pairs.", highlight=False)
    console.print(lost_lines(lost), markup=False, highlight=False, soft_wrap=True)
