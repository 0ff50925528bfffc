"""A unit of training: one layer of one round, where it lies, and what came before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .layer import LayerConfig
from .resolved import Resolved

RECORD = "layer.json"


@dataclass(frozen=True, slots=True)
class Unit:
    """One stretch of training.

    Attributes:
        round: 0-based round.
        place: 0-based place among all units of the run.
        layer: The layer; None where a round is trained as one piece.
        folder: Its folder, relative to the run directory.
        pairs: The pairs file of its round, relative to the run directory.
    """

    round: int
    place: int
    layer: LayerConfig | None
    folder: str
    pairs: str

    @property
    def name(self) -> str:
        """Its name in the manifest, behind `training/`."""
        return self.folder.replace("40_training/", "").rstrip("/")

    @property
    def label(self) -> str:
        """What it is called in logs and the report."""
        parts = [f"round {self.round + 1}"] if self.folder.startswith("round-") else []
        parts += [self.layer.name] if self.layer else []
        return ", ".join(parts)


def round_folder(resolved: Resolved, number: int) -> str:
    """Folder of a 0-based round's artefacts, relative to the run directory; "" for it itself."""
    return "" if resolved.rounds == 1 else f"round-{number + 1}/"


def units_of(resolved: Resolved) -> tuple[Unit, ...]:
    """All units of a run, in order."""
    layers: Sequence[LayerConfig | None] = resolved.layers or (None,)
    found: list[Unit] = []
    for number in range(resolved.rounds):
        here = round_folder(resolved, number)
        for index, layer in enumerate(layers):
            tail = f"/{index + 1}-{layer.name}" if layer else ""
            place = len(found)
            found.append(
                Unit(number, place, layer, f"{here}40_training{tail}", f"{here}30_pairs.jsonl")
            )
    return tuple(found)


def weights_in(folder: Path) -> Path:
    """The trained weights in a unit's or a run's training folder: adapter or whole model."""
    adapter = folder / "adapter"
    return adapter if adapter.is_dir() else folder / "model"


def read_record(folder: Path) -> dict[str, object]:
    """The unit's `layer.json`; empty if it is not there."""
    path = folder / RECORD
    if not path.exists():
        return {}
    record: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return record
