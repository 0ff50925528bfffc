"""Coverage as a picture: failure modes by archetypes, with prompts and labelled pairs beside."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigurationError, Problem
from .coverage import SPLITS, Coverage

SUFFIXES = (".svg", ".png", ".pdf")


def draw_coverage(found: Coverage, path: Path) -> None:
    """Writes the picture; a cell holds the number of principles or pairs.

    Raises:
        ConfigurationError: Another suffix than svg, png or pdf, or no such folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        message = f"no picture can be written as {path.suffix or 'a file without suffix'}"
        raise _fail(path, message, f"end the name with {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise _fail(path, "the folder does not exist", "make it first")
    # Here, because it takes a second and only this needs it.
    import matplotlib
    from matplotlib.figure import Figure

    columns = (*found.archetypes, *SPLITS, "labelled")
    cells = [
        [mode.principles.get(name, 0) for name in found.archetypes]
        + [mode.twins[split] for split in SPLITS]
        + [mode.labelled]
        for mode in found.modes
    ]
    split_at = len(found.archetypes)
    # A cell of counts of prompts is coloured by its share of the largest in its column.
    tops = [max((row[i] for row in cells), default=0) or 1 for i in range(len(columns))]
    shades = [
        [value / (3 if i < split_at else tops[i]) if value else 0.0 for i, value in enumerate(row)]
        for row in cells
    ]
    figure = Figure(figsize=(0.5 * len(columns) + 3, 0.36 * len(cells) + 2.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shades, cmap="Greens", vmin=0, vmax=1.3, aspect="auto")
    for y, row in enumerate(cells):
        for x, value in enumerate(row):
            if value or x >= split_at:
                axes.text(x, y, str(value), ha="center", va="center", fontsize=8)
    axes.axvline(split_at - 0.5, color="black", linewidth=1)
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(cells)), [mode.mode for mode in found.modes], fontsize=8)
    axes.set_title("Principles per archetype | twin pairs per split, labelled pairs", fontsize=9)
    with matplotlib.rc_context({"svg.hashsalt": "anlage"}):
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _fail(path: Path, message: str, fix: str) -> ConfigurationError:
    return ConfigurationError([Problem("X004", "error", str(path), 0, message, fix)])
