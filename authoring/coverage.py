"""Counts principles, twin prompts, checks and labelled pairs per failure mode; draws them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from ..archetypes.loader import LIBRARY, load_archetypes
from ..archetypes.schema import CooperationDomain, MotiveSystem
from ..archetypes.vocabulary import load_failure_modes
from ..errors import ConfigurationError, PromptError
from ..prompts.labelled import read_labelled
from ..prompts.linter import read_sets
from ..prompts.prompt import Split
from ..stats.intervals import Rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SPLITS: tuple[Split, ...] = get_args(Split)
MIN_LABELLED = 30
"""Labelled pairs below which a failure mode counts as not probed: 30 are wanted to see a change."""

MIN_CHECKED: Final[Mapping[Split, int]] = {"train": 20, "dev": 24, "test": 40}
"""Twin pairs with checks below which a failure mode counts as not checked."""
MIN_JUDGED: Final = 15
"""Labelled answers that fail, and that keep, below which the checks count as not measured."""
MEASURED: Final = Path(__file__).parents[1] / "evaluation" / "checks" / "measured.json"
"""How often the shipped checks are right; `benchmarks/checks.py` writes it."""


@dataclass(frozen=True, slots=True)
class ModeCoverage:
    """One failure mode.

    Attributes:
        mode: Its id.
        principles: Archetype id -> number of principles that guard against it.
        twins: Split -> number of twin pairs about it.
        labelled: Number of labelled answer pairs about it.
        checked: Split -> number of twin pairs about it that carry checks.
        precision: Of the answers that the shipped checks call failing, the share that is; None
            where too few answers were labelled.
        recall: Of the failing answers, the share that they call failing; None as above.
    """

    mode: str
    principles: Mapping[str, int]
    twins: Mapping[str, int]
    labelled: int
    checked: Mapping[Split, int]
    precision: Rate | None
    recall: Rate | None

    @property
    def gaps(self) -> tuple[str, ...]:
        """What is missing, in words; empty where nothing is."""
        found = [] if self.principles else ["no principle guards against it"]
        found += [f"no {split} prompts" for split in SPLITS if not self.twins.get(split)]
        if self.labelled < MIN_LABELLED:
            found.append(f"{self.labelled} labelled pairs, {MIN_LABELLED} are wanted")
        for split, wanted in MIN_CHECKED.items():
            if self.checked[split] < wanted:
                found.append(
                    f"{self.checked[split]} {split} pairs with checks, {wanted} are wanted"
                )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a library covers.

    Attributes:
        archetypes: Ids, in order.
        modes: Every failure mode of the vocabulary, in its order.
        domains: Each domain of cooperation -> archetypes that serve it.
        motives: Each motive system -> archetypes that have it.
    """

    archetypes: tuple[str, ...]
    modes: tuple[ModeCoverage, ...]
    domains: Mapping[str, tuple[str, ...]]
    motives: Mapping[str, tuple[str, ...]]

    @property
    def gaps(self) -> dict[str, tuple[str, ...]]:
        """Failure mode -> what is missing, for those that lack something."""
        return {mode.mode: mode.gaps for mode in self.modes if mode.gaps}


def coverage(
    path: Path | str = LIBRARY, *, prompts: Path | None = None, labelled: Path | None = None
) -> Coverage:
    """Counts principles, twin pairs, checks and labelled pairs of every failure mode.

    Args:
        path: Archetype file or folder.
        prompts: Folder of prompt sets; the shipped ones if None.
        labelled: Folder of labelled pairs; the shipped ones if None.

    Raises:
        ArchetypeError: The archetypes do not validate.
        PromptError: A prompt set or labelled pair does not.

    Not covered: whether prompts and principles are any good; counting cannot say.
    """
    archetypes = load_archetypes(path)
    located, problems = read_sets(prompts)
    pairs, more = read_labelled(labelled)
    errors = [p for p in [*problems, *more] if p.severity == "error"]
    if errors:
        raise PromptError(errors)
    twins = Counter(
        (r.prompt.failure_mode, r.prompt.split) for r in located if r.prompt.role == "at_risk"
    )
    checks = Counter(
        (r.prompt.failure_mode, r.prompt.split)
        for r in located
        if r.check is not None and r.prompt.role == "at_risk"
    )
    quality = json.loads(MEASURED.read_text(encoding="utf-8")) if prompts is None else {}
    probes = Counter(row.answers.failure_mode for row in pairs)
    guards = Counter(
        (principle.failure_mode, archetype.id)
        for archetype in archetypes
        for principle in archetype.principles
    )
    names = tuple(archetype.id for archetype in archetypes)
    modes = tuple(
        ModeCoverage(
            mode,
            {name: guards[mode, name] for name in names if guards[mode, name]},
            {split: twins[mode, split] for split in SPLITS},
            probes[mode],
            {split: checks[mode, split] for split in SPLITS},
            *_quality(quality.get(mode)),
        )
        for mode in load_failure_modes()
    )
    domains = {
        domain: tuple(a.id for a in archetypes if domain in a.cooperation_domain)
        for domain in get_args(CooperationDomain)
    }
    motives = {
        motive: tuple(a.id for a in archetypes if a.motive_system == motive)
        for motive in get_args(MotiveSystem)
    }
    return Coverage(names, modes, domains, motives)


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


def _quality(found: dict[str, dict[str, Any]] | None) -> tuple[Rate | None, Rate | None]:
    """Precision and recall of failing answers, where enough answers were labelled."""
    if found is None or min(found["labels"].values()) < MIN_JUDGED:
        return None, None
    return Rate(*found["fails"]["precision"]), Rate(*found["fails"]["recall"])
