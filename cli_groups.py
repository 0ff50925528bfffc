"""Hangs the commands that have modules of their own into the main program."""

from __future__ import annotations

import typer

from .cli_cache import app as cache
from .cli_confounds import confounds
from .cli_critic import app as critic
from .cli_injection import injection
from .cli_push import package, push
from .cli_review import review
from .cli_runs import app as runs
from .cli_stories import app as stories
from .cli_study import app as study


def register_groups(app: typer.Typer) -> None:
    """Adds every command that has a module of its own."""
    app.add_typer(cache, name="cache")
    critic.command()(injection)
    app.add_typer(critic, name="critic")
    app.command()(confounds)
    app.command()(review)
    app.command()(package)
    app.command()(push)
    app.add_typer(runs, name="runs")
    app.add_typer(stories, name="stories")
    app.add_typer(study, name="study")
