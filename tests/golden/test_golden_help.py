"""The help text of every command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from anlage.cli.app import app
from typer.testing import CliRunner

from .golden import same_text


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group, in the order of the help."""
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


def help_text(path: tuple[str, ...]) -> str:
    environment = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    done = CliRunner().invoke(app, [*path, "--help"], env=environment, prog_name="anlage")
    assert done.exit_code == 0, done.output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.output)
    lines = [line.rstrip() for line in plain.strip().splitlines()]
    return "\n".join([f"$ {' '.join(('anlage', *path, '--help'))}", *lines, ""])


def test_every_help_text() -> None:
    found = list(commands(typer.main.get_command(app)))
    assert len(found) > 30
    same_text("help.txt", "\n".join(help_text(path) for path in found))
