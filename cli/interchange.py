"""The commands `anlage export` and `anlage import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..archetypes.draft import write_new
from ..archetypes.loader import LIBRARY
from ..constitution.compiler import compile_constitution
from ..constitution.interchange.draft import draft_archetype, draft_id, lost_lines
from ..constitution.interchange.formats import ANNOTATED_PAIRS, FORMATS, detect, export, get_format
from ..constitution.interchange.json_text import dump, parse_json, read_source
from ..constitution.principle import Constitution
from ..errors import ConfigurationError

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
        _say(f"{out}: {len(constitution)} principles.")
    _say(lost_lines(lost))


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
        from ..preferences.interchange.annotated_pairs import principles_of

        imported = principles_of(parse_json(text, str(file)), str(file))
    else:
        imported = get_format(kind).read(text, str(file))
    target = _draft_file(out, file)
    draft = draft_archetype(imported, name=target.stem, source=file.name, target=target)
    write_new(target, draft)
    _say(f"{target}: {len(imported.rules)} principles read as {kind}; a draft.")
    if imported.lost:
        _say(lost_lines(imported.lost))
    _say(f"`anlage lint {target}` says what is still missing.")


def _draft_file(out: Path, source: Path) -> Path:
    """Where a draft goes: `out` itself, or a file in it named after its source.

    Raises:
        ConfigurationError: `out` is named like a file that holds no archetype.
    """
    if out.suffix in {".yaml", ".yml"}:
        return out
    if out.suffix in {".json", ".jsonl", ".txt", ".md"}:
        message = f"an archetype draft is YAML, not {out.suffix}"
        fix = "give a folder or a name that ends in .yaml"
        raise ConfigurationError.one("I002", out, message, fix)
    name = draft_id(source.stem)
    if (LIBRARY / f"{name}.yaml").exists():
        name += "_imported"
    return out / f"{name}.yaml"


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _annotated(constitution: Constitution, pairs: Path | None) -> tuple[str, list[str]]:
    from ..preferences.dataset import Pairs
    from ..preferences.interchange.annotated_pairs import to_annotated_pairs

    if pairs is None:
        fix = "add `--pairs RUN/30_pairs.jsonl`"
        message = "annotated pairs hold comparisons, and none were given"
        raise ConfigurationError.one("I003", "export icai", message, fix)
    loaded = Pairs.load(pairs)
    data, lost = to_annotated_pairs(loaded, constitution.principles, name=pairs.stem)
    return dump(data), lost


def _import_pairs(text: str, file: Path, out: Path) -> None:
    from ..preferences.dataset import Pairs
    from ..preferences.interchange.annotated_pairs import from_annotated_pairs

    pairs, lost = from_annotated_pairs(parse_json(text, str(file)), str(file))
    write_new(out, "")
    Pairs(pairs).save(out)
    _say(f"{out}: {len(pairs)} pairs.")
    if lost:
        _say(lost_lines(lost))
