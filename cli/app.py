"""The command line: a thin layer over the Python functions of the same names."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..archetypes.loader import LIBRARY
from ..constitution.compiler import compile_constitution
from ..constitution.yaml_form import dump_constitution
from ..errors import AnlageError, ConfigurationError
from ..files.write import write_atomically
from ..llm.local.embedded import EMBEDDED
from ..llm.run_sync import run_sync
from .authoring import register
from .cache import app as cache
from .checks import confounds, doctor
from .critic import app as critic
from .critic import injection
from .evaluate import register_evaluation
from .lint import lint
from .release import package, push
from .review import review
from .runs import app as runs
from .serve import serve
from .spending import DryRun, Yes, agree_to_run, show_estimate
from .stories import app as stories
from .studio import studio
from .study import app as study

# Read once, when torch is imported. Threads that spin while they wait made training up
# to seven times slower on two cores that another program was using, too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    name="anlage",
    help="Train language models from archetypes, and say with statistics what it did.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
Target = Annotated[Path, typer.Argument(help="Config file, or a run directory.")]
Model = Annotated[str, typer.Option(help="smollm2-135m, a folder or a hub id.")]


app.command()(lint)
register(app)


@app.command(name="compile")
def compile_(
    path: Annotated[Path | None, typer.Argument(help="Archetype file or folder.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Archetype id; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; else a table.")] = None,
) -> None:
    """Compile archetypes into a constitution."""
    constitution = compile_constitution(path or LIBRARY, only=only)
    if out is not None:
        write_atomically(out, dump_constitution(constitution))
        console.print(
            f"{out}: {len(constitution)} principles, hash {constitution.hash[:12]}", markup=False
        )
        return
    table = Table(title=f"{len(constitution)} principles, hash {constitution.hash[:12]}")
    for column in ("principle", "guards against", "when", "line"):
        table.add_column(column, overflow="fold", no_wrap=column == "line")
    for principle in constitution:
        where = f"{principle.provenance.file}:{principle.provenance.line}"
        cells = (principle.id, principle.failure_mode, principle.situation, where)
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)


@app.command()
def run(
    config: Target,
    dry_run: DryRun = False,
    new: Annotated[
        bool, typer.Option("--new", help="A new name, where this one is another config's.")
    ] = False,
    yes: Yes = False,
) -> None:
    """From archetype files to an evaluated model and a report; resumes where it stopped."""
    if dry_run:
        show_estimate(_config_file(config), console)
        return
    _run_until(config, "report", again=False, yes=yes, new=new)


@app.command()
def pairs(
    config: Target,
    again: Annotated[bool, typer.Option(help="Build them even if nothing changed.")] = False,
    yes: Yes = False,
) -> None:
    """Build preference pairs (and what they need)."""
    _run_until(config, "pairs", again=again, yes=yes)


@app.command()
def train(
    config: Target,
    again: Annotated[bool, typer.Option(help="Train even if nothing changed.")] = False,
    yes: Yes = False,
) -> None:
    """Train on the pairs (and make what is missing)."""
    from ..trainer.processes import launched

    if launched() > 1:
        from ..pipeline.run import train_together

        train_together(_config_file(config), again=again)
        return
    _run_until(config, "training", again=again, yes=yes)


register_evaluation(app)


@app.command()
def report(config: Target, yes: Yes = False) -> None:
    """Write the report again (and make what is missing)."""
    _run_until(config, "report", again=True, yes=yes)


def _config_file(target: Path) -> Path:
    return target / "config.yaml" if target.is_dir() else target


def _run_until(target: Path, stage: str, *, again: bool, yes: bool, new: bool = False) -> None:
    from ..pipeline.resolved import Resolved
    from ..pipeline.run import run as run_pipeline
    from .render.evaluation import evaluation_report

    file = _config_file(target)
    agree_to_run(Resolved.load(file), str(file), yes=yes)
    done = run_pipeline(file, until=stage, again=again, new=new, quiet=False, console=console)
    if stage in {"evaluation", "report"}:
        console.print()
        console.print(evaluation_report(done.evaluation))
    if stage == "report":
        console.print(f"\nReport: {done.report}", markup=False, soft_wrap=True)
    console.print(done.cost, highlight=False)


@app.command()
def trace(
    run_dir: Annotated[Path, typer.Argument(help="Run directory.")],
    pair_id: Annotated[str, typer.Argument(help="Id of a pair, or its beginning.")],
) -> None:
    """Follow a pair back: YAML line, principle, prompt, draft, critique, revision, label."""
    from ..inspection.trace import trace as follow
    from ..pipeline.run_directory import RunDirectory
    from .render.authoring import trace_text

    console.print(trace_text(follow(RunDirectory(run_dir), pair_id)))


@app.command()
def chat(
    run_dir: Annotated[Path, typer.Argument(help="Run directory.")],
    prompt: Annotated[
        str | None, typer.Option(help="Ask this once instead of reading from the keyboard.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=8, max=2048)] = 96,
) -> None:
    """Ask base and trained model the same thing, side by side."""
    from ..inspection.models import SideBySide, converse
    from ..pipeline.run_directory import RunDirectory

    converse(SideBySide(RunDirectory(run_dir), max_tokens=max_tokens), console, prompt)


@app.command()
def critique(
    archetype: Annotated[str, typer.Argument(help="Archetype id, or an archetype file.")],
    question: Annotated[str, typer.Argument(help="What a user might ask.")],
    model: Model = EMBEDDED,
    principle: Annotated[str | None, typer.Option(help="Only this principle (its slug).")] = None,
    max_tokens: Annotated[int, typer.Option(min=8, max=1024)] = 64,
) -> None:
    """Show draft, critique and revision: the author's loop."""
    from ..authoring.pilot import author_loop
    from ..llm.models import load_model
    from .render.authoring import loop_text

    is_file = archetype.endswith((".yaml", ".yml"))
    constitution = compile_constitution(
        archetype if is_file else LIBRARY, only=None if is_file else [archetype]
    )
    chosen = [p for p in constitution if principle in (None, p.id, p.id.split("/")[1])]
    if not chosen:
        known = ", ".join(p.id.split("/")[1] for p in constitution)
        fix = f"use one of: {known}"
        raise ConfigurationError.one("C010", archetype, f"no principle {principle!r}", fix)
    with console.status("asking the model"):
        found = run_sync(author_loop(load_model(model), chosen, question, max_tokens=max_tokens))
    console.print(loop_text(found))


app.command()(doctor)
app.add_typer(cache, name="cache")
critic.command()(injection)
app.add_typer(critic, name="critic")
for command in (confounds, review, serve, package, push, studio):
    app.command()(command)
app.add_typer(runs, name="runs")
app.add_typer(stories, name="stories")
app.add_typer(study, name="study")


_ADVICE = {
    errno.ENOSPC: "Free some space; the same command then continues where it was.",
    errno.EDQUOT: "Free some space; the same command then continues where it was.",
    errno.EACCES: "Choose another folder, or get the right to write there.",
    errno.EPERM: "Choose another folder, or get the right to write there.",
    errno.EROFS: "Choose another folder; this file system is read-only.",
    errno.EISDIR: "A file is needed here, not a folder.",
    errno.ENOTDIR: "A part of the path is a file, not a folder.",
    errno.ENOENT: "Check the path.",
}


def main() -> None:
    """Entry point: our own errors become one message and an exit code, never a traceback."""
    _accept_any_text()
    try:
        app()
    except AnlageError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except SystemExit as error:  # typer turns Ctrl-C into this
        if error.code == 130:
            _complain("stopped. Nothing is lost: the same command continues where it was.")
        raise
    except MemoryError:
        _complain("out of memory. Lower `batch_size` in the config, or use a smaller model.")
        sys.exit(3)
    except OSError as error:
        if error.errno not in _ADVICE:
            raise
        where = f": {error.filename}" if error.filename else ""
        _complain(f"{error.strerror}{where}. {_ADVICE[error.errno]}")
        sys.exit(3)


def _accept_any_text() -> None:
    """Signs that the terminal's encoding lacks are written as escapes, and read as a mark."""
    for stream, errors in (
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
        (sys.stdin, "replace"),
    ):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _complain(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(message, style="red", markup=False, highlight=False)
