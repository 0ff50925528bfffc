"""`anlage run CONFIG --dry-run`: what the run would ask of its models."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console


def show_estimate(file: Path, console: Console) -> None:
    """Prints the estimate of a config; nothing is loaded, asked or written."""
    from .pipeline.config import load_config
    from .pipeline.estimate import estimate
    from .pipeline.estimate_text import estimate_text

    config = load_config(file)
    console.print(estimate_text(estimate(config, str(file)), config.budget))
