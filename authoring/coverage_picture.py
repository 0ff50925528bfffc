"""Draws coverage as a picture: failure modes, domains and motives by archetypes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .coverage import SPLITS, Coverage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".png", ".pdf")
DARK = 0.6
"""Shade in [0, 1] from which on a number is written in white."""


def draw_coverage(found: Coverage, path: Path) -> None:
    """Writes the picture: above failure modes, below domains of cooperation and motives.

    A cell above holds the number of principles of an archetype or, right of the
    line, of pairs; a row in red lacks something. A cell below is filled where an
    archetype serves the domain or has the motive.

    Raises:
        ConfigurationError: Another suffix than svg, png or pdf, or no such folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        message = f"no picture can be written as {path.suffix or 'a file without suffix'}"
        raise ConfigurationError.one(
            "X004", path, message, f"end the name with {', '.join(SUFFIXES)}"
        )
    if not path.parent.is_dir():
        raise ConfigurationError.one("X004", path, "the folder does not exist", "make it first")
    # Here, because it takes a second and only this needs it.
    import matplotlib
    from matplotlib.figure import Figure

    # No mapping: `reciprocity` is the name of a domain and of a motive.
    groups = [*found.domains.items(), *found.motives.items()]
    rows = (len(found.modes), len(groups))
    columns = len(found.archetypes) + len(SPLITS) + 1
    size = (0.55 * columns + 2.6, 0.3 * sum(rows) + 2.8)
    figure = Figure(figsize=size, layout="constrained")
    above, below = figure.subplots(2, height_ratios=rows)
    _draw_modes(above, found)
    _draw_groups(below, found.archetypes, groups, len(found.domains), columns)
    with matplotlib.rc_context({"svg.hashsalt": "anlage"}):
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_modes(axes: Axes, found: Coverage) -> None:
    split_at = len(found.archetypes)
    names = [*found.archetypes, *SPLITS, "labelled"]
    cells = [
        [mode.principles.get(name, 0) for name in found.archetypes]
        + [mode.twins[split] for split in SPLITS]
        + [mode.labelled]
        for mode in found.modes
    ]
    # Principles share one scale; a count of pairs is coloured by its share of its column.
    most = max((value for row in cells for value in row[:split_at]), default=0)
    tops = [most or 1] * split_at
    tops += [max((row[i] for row in cells), default=0) or 1 for i in range(split_at, len(names))]
    shades = [[value / top for value, top in zip(row, tops, strict=True)] for row in cells]
    _shade(axes, shades, len(names))
    for y, row in enumerate(cells):
        for x, value in enumerate(row):
            if value or x >= split_at:
                colour = "white" if shades[y][x] > DARK else "black"
                axes.text(x, y, str(value), ha="center", va="center", fontsize=8, color=colour)
    axes.axvline(split_at - 0.5, color="black", linewidth=1)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    labels = axes.set_yticks(range(len(cells)), [mode.mode for mode in found.modes], fontsize=8)
    for tick, mode in zip(labels, found.modes, strict=True):
        tick.label1.set_color("red" if mode.gaps else "black")
    title = "Failure modes: principles per archetype | twin pairs per split, labelled pairs"
    axes.set_title(title, fontsize=9)


def _draw_groups(
    axes: Axes,
    archetypes: Sequence[str],
    groups: Sequence[tuple[str, tuple[str, ...]]],
    domains: int,
    columns: int,
) -> None:
    """Domains first, then motives; as many columns as above, so that archetypes line up."""
    shades = [
        [float(name in members) for name in archetypes] + [0.0] * (columns - len(archetypes))
        for _, members in groups
    ]
    _shade(axes, shades, columns)
    axes.axhline(domains - 0.5, color="black", linewidth=1)
    axes.axvline(len(archetypes) - 0.5, color="black", linewidth=1)
    axes.set_xticks(range(len(archetypes)), archetypes, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(groups)), [name for name, _ in groups], fontsize=8)
    axes.set_title("Domains of cooperation, and below them motives", fontsize=9)


def _shade(axes: Axes, shades: Sequence[Sequence[float]], columns: int) -> None:
    axes.imshow(shades, cmap="Greens", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks([x - 0.5 for x in range(1, columns)], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, len(shades))], minor=True)
    axes.grid(which="minor", color="lightgrey", linewidth=0.5)
    axes.tick_params(which="minor", length=0)
