"""`anlage cache`: what the call store holds, one call in full, totals, and tidying up."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..errors import ConfigurationError
from ..store.contents import find, select, totals
from ..store.store import KINDS, Entry, Store

app = typer.Typer(help="The store of model calls: list, show, count, tidy up.")
console = Console()

Place = Annotated[Path, typer.Option("--runs", help="Folder of runs, or a store's file.")]
Kind = Annotated[str | None, typer.Option(help=f"One of {', '.join(KINDS)}.")]
Model = Annotated[str | None, typer.Option(help="Part of the model's fingerprint.")]
_RUNS = Path("runs")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
_mistake = partial(ConfigurationError.one, "S002")


@app.command()
def ls(
    runs: Place = _RUNS,
    kind: Kind = None,
    model: Model = None,
    after: Annotated[str | None, typer.Option(help="Stored on or after, YYYY-MM-DD.")] = None,
    before: Annotated[str | None, typer.Option(help="Stored before, YYYY-MM-DD.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows to print.")] = 50,
) -> None:
    """List stored values, newest first."""
    _check_kind(kind)
    since, until = _day(after, "--after"), _day(before, "--before")
    with _open(runs) as store:
        found = select(store.entries(), kind=kind, model=model, after=since, before=until)
    found.sort(key=lambda entry: (-entry.stored, entry.kind, entry.key))
    table = Table()
    for column in ("key", "kind", "model", "stored", "bytes"):
        table.add_column(column, justify="right" if column == "bytes" else "left")
    for entry in found[:limit]:
        name = _short(entry.model)
        table.add_row(entry.key[:16], entry.kind, name, _when(entry.stored), f"{entry.size:,}")
    console.print(table)
    more = f", {limit} shown" if len(found) > limit else ""
    console.print(f"{_counted(found)}{more}.", highlight=False)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="A key, or its beginning (4 characters or more).")],
    runs: Place = _RUNS,
) -> None:
    """Show one stored call: what was asked, what came back, how it ended."""
    with _open(runs) as store:
        entry, value = find(store, key)
    _line(f"{entry.kind} {entry.key}")
    _line(f"model: {entry.model or 'not written down'}    stored: {_when(entry.stored)}")
    if entry.kind == "call" and isinstance(value, dict) and {"request", "completion"} <= set(value):
        _show_call(value["request"], value["completion"])
    else:
        _line(json.dumps(value, indent=2, ensure_ascii=False))


def _show_call(request: dict[str, Any], completion: dict[str, Any]) -> None:
    for message in request["messages"]:
        console.rule(message["role"], align="left")
        _line(message["content"])
    console.rule("answer", align="left")
    if request["prefill"]:
        _line(f"[given] {request['prefill']}")
    _line(completion["text"])
    if completion.get("reasoning"):
        console.rule("thoughts", align="left")
        _line(completion["reasoning"])
    console.rule("how", align="left")
    outcome, usage = completion["outcome"], completion["usage"]
    _line(f"outcome: {outcome['kind']}{': ' + outcome['reason'] if outcome['reason'] else ''}")
    _line(
        f"finish: {completion['finish']}    tokens: {usage['prompt_tokens']} in, "
        f"{usage['completion_tokens']} out    {completion['latency']:.2f} s"
    )
    kept = {name: value for name, value in request.items() if name not in ("messages", "prefill")}
    _line("    ".join(f"{name}: {value}" for name, value in kept.items() if value not in ("", [])))


@app.command()
def stats(runs: Place = _RUNS) -> None:
    """Count stored values by kind and model, and what an earlier version stored wrongly."""
    from ..llm.cached import survey

    with _open(runs) as store:
        entries, file = store.entries(), Path(store.path)
        found = survey(store, entries)
    table = Table()
    for column in ("kind", "model", "values", "bytes", "oldest", "newest"):
        table.add_column(column, justify="right" if column in ("values", "bytes") else "left")
    for total in totals(entries):
        dates = (_when(total.oldest), _when(total.newest))
        counts = (f"{total.count:,}", f"{total.size:,}")
        table.add_row(total.kind, _short(total.model), *counts, *dates)
    console.print(table)
    size = file.stat().st_size
    console.print(f"{_counted(entries)}; {file} has {size:,} bytes.", highlight=False)
    if found.kept or found.changed:
        _line(str(found))


@app.command()
def gc(
    runs: Place = _RUNS,
    kind: Kind = None,
    model: Model = None,
    older_than: Annotated[
        str | None, typer.Option(help="Age: 12h, 30d, 8w. Values without a date are older.")
    ] = None,
    unused: Annotated[
        bool, typer.Option("--unused", help="Only what no run beside the store asked for.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it nothing is.")] = False,
) -> None:
    """Say what would be deleted, or delete it with --yes. A deleted call is asked again."""
    from ..pipeline.used_keys import used_by_runs

    _check_kind(kind)
    if kind is None and model is None and older_than is None and not unused:
        raise _mistake(
            "gc", "no condition given, so everything would go", "say which: --older-than 30d"
        )
    before = None if older_than is None else int(datetime.now(UTC).timestamp()) - _age(older_than)
    with _open(runs) as store:
        used = used_by_runs(Path(store.path).parent)
        if unused and used.unlisted:
            raise _mistake(
                str(runs),
                f"what these runs use is not written down: {', '.join(used.unlisted)}",
                "they come from an earlier version; move them away, or use --older-than",
            )
        keep = used.rows if unused else None
        found = select(store.entries(), kind=kind, model=model, before=before, unused=keep)
        needed = sum((entry.kind, entry.key) in used.rows for entry in found)
        if not yes:
            _line(f"Would delete {_counted(found)}; {needed:,} of them are used by runs here.")
            _line("Nothing was deleted: add --yes.")
            return
        deleted = store.delete_many((entry.kind, entry.key) for entry in found)
    size = sum(entry.size for entry in found)
    _line(f"Deleted {deleted:,} values, {size:,} bytes.")


def _open(place: Path) -> Store:
    file = place / "cache.sqlite" if place.is_dir() else place
    if not file.is_file():
        raise _mistake(
            str(place), "there is no store here", "give --runs: the folder that `anlage run` made"
        )
    return Store(file)


def _check_kind(kind: str | None) -> None:
    if kind is not None and kind not in KINDS:
        raise _mistake("--kind", f"no kind {kind!r}", f"use one of: {', '.join(KINDS)}")


def _day(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise _mistake(option, f"{text!r} is no date", "write it like 2026-03-31") from None


def _age(text: str) -> int:
    found = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if found is None:
        raise _mistake("--older-than", f"{text!r} is no age", "write it like 12h, 30d or 8w")
    return int(found.group(1)) * _UNITS[found.group(2)]


def _when(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M") if second else "unknown"


def _short(model: str) -> str:
    # A hash says nothing past its first digits; a chat model's name does.
    return re.sub(r"([0-9a-f]{12})[0-9a-f]{20,}", r"\1", model) or "unknown"


def _counted(entries: Sequence[Entry]) -> str:
    return f"{len(entries):,} values, {sum(entry.size for entry in entries):,} bytes"


def _line(text: str) -> None:
    # What a model wrote must not steer the terminal: no escape sequences, in 7 or 8 bits.
    plain = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\x1b", "␛"))
    console.print(plain, markup=False, highlight=False, soft_wrap=True)
