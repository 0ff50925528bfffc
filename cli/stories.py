"""`anlage stories`: narrative lessons, shipped, imported or written by a model."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..files.write import write_atomically
from ..llm.local.embedded import EMBEDDED
from ..prompts.lessons import lesson_rows, load_lessons
from .spending import DryRun, Limits, MaxCalls, MaxUsd, Prices, Yes

if TYPE_CHECKING:
    from ..pipeline.models import RunModels
    from ..pipeline.progress import StageProgress

console = Console()
app = typer.Typer(
    help="Lessons for supervised layers: shadow, recognition, integration.", no_args_is_help=True
)
Only = Annotated[list[str] | None, typer.Option(help="Repeatable; all if not given.")]


@app.command(name="list")
def list_(
    source: Annotated[str, typer.Argument(help="arcs, questions, a file or a folder.")] = "arcs",
) -> None:
    """Count lessons by theme and failure mode."""
    lessons = load_lessons(source)
    table = Table(title=f"{len(lessons)} lessons in {source}")
    table.add_column("theme")
    table.add_column("lessons", justify="right")
    table.add_column("failure modes")
    for theme, count in Counter(lesson.theme for lesson in lessons).most_common():
        modes = sorted({x.failure_mode or "unknown" for x in lessons if x.theme == theme})
        table.add_row(theme, str(count), ", ".join(modes))
    console.print(table)


@app.command()
def show(
    source: Annotated[str, typer.Argument(help="arcs, questions, a file or a folder.")] = "arcs",
    theme: Only = None,
    archetype: Only = None,
    limit: Annotated[int, typer.Option(min=1, help="Most lessons.")] = 3,
) -> None:
    """Read lessons as a model is trained to write them."""
    for lesson in load_lessons(source, themes=theme, archetypes=archetype, limit=limit):
        about = ", ".join(filter(None, (lesson.theme, lesson.archetype, lesson.failure_mode)))
        console.print(f"{lesson.id} ({about})", style="bold", markup=False)
        for message in lesson.prompt:
            console.print(f"{message.role}: {message.content}", style="dim", markup=False)
        console.print(lesson.text + "\n", markup=False, highlight=False)


@app.command(name="import")
def import_(
    source: Annotated[Path, typer.Argument(help="A .text file, or a folder of JSON files.")],
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
) -> None:
    """Turn separated texts or {question, answer} files into one JSONL file of lessons."""
    lessons = load_lessons(source)
    _write(out, list(lesson_rows(lessons)))
    console.print(f"{out}: {len(lessons)} lessons, each whole", markup=False)


@app.command()
def make(
    archetype: Annotated[list[str], typer.Argument(help="Archetype ids.")],
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
    model: Annotated[str, typer.Option(help="A model that can write; see docs/models.md.")],
    per_mode: Annotated[int, typer.Option(min=1, help="Arcs per failure mode.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
    dry_run: DryRun = False,
    max_calls: MaxCalls = None,
    max_usd: MaxUsd = None,
    prices: Prices = None,
    yes: Yes = False,
) -> None:
    """Let a model write arcs for archetypes; what does not hold the three parts is left out."""
    from ..authoring.stories import MadeArcs, make_arcs

    def work(models: RunModels, progress: StageProgress) -> MadeArcs:
        return make_arcs(archetype, models.get(model), per_mode=per_mode, seed=seed)

    limits = Limits(dry_run, yes, max_calls, max_usd, prices)
    made = limits.spend([model], work, store=Path("runs") / "cache.sqlite", title="writing")
    _write(out, list(lesson_rows(made.lessons)))
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(made.outcomes.items()))
    console.print(f"{out}: {len(made.lessons)} arcs ({said})", markup=False)
    if not made.lessons and model == EMBEDDED:
        console.print("A model this small cannot write them; the shipped arcs are `arcs`.")


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomically(path, text)
