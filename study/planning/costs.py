"""Estimates a stage: its calls from the config, its seconds from earlier runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...llm.budget import Spending
from ...pipeline.config import RunConfig
from ...pipeline.estimate import Part, most
from ...pipeline.inputs import training_prompts
from ...pipeline.layer import LayerConfig
from ...pipeline.manifest import Manifest
from ...pipeline.resolved import Resolved
from ...prompts.lessons import load_lessons
from .sharing import keys_of

_KEPT = 0.9
"""Share of the prompts that end as a pair, where nobody has built them yet."""
_DEFAULT_SECONDS = {"calibration": 0.12, "pairs": 0.22, "evaluation": 0.2, "training": 0.68}
"""Seconds per call, and per pair and epoch of training: the quickstart on two cores."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run's stages ask, each the most that is expected, and what is trained on.

    Attributes:
        calibration: Scored options.
        pairs: Drafts, critiques, revisions and what is written again.
        base: Answers and scores of the untrained model.
        trained: The same of what the run leaves; an untrained run has none.
        later: Pairs of later rounds, drafted with the model trained so far.
        examples: Rows times epochs that training goes through.
    """

    calibration: Spending
    pairs: Spending
    base: Spending
    trained: Spending
    later: Spending
    examples: int


class CostCounter:
    """Estimates what runs ask; a part that two runs share but for the seed is played once."""

    def __init__(self) -> None:
        self._played: dict[str, Spending] = {}
        self._lessons: dict[str, int] = {}

    def cost(self, config: RunConfig) -> Cost:
        """What one run would ask if nothing were shared.

        Raises:
            ConfigurationError: Its prompts, archetypes or prices cannot be read.
        """
        seedless = config.seeded(0, 0)
        resolved, keys = Resolved(seedless), keys_of(seedless)
        base = self._most(resolved, "base", keys.base)
        if config.untrained:
            prompted = self._most(resolved, "trained", keys.evaluation)
            return Cost(Spending(), Spending(), base, prompted, Spending(), 0)
        return Cost(
            self._most(resolved, "calibration", keys.data),
            self._most(resolved, "pairs", keys.data),
            base,
            # Every trained model is asked what the base is asked, and has answered nothing yet.
            sum([base] * resolved.rounds, Spending()),
            self._most(resolved, "later", keys.training) if resolved.rounds > 1 else Spending(),
            resolved.rounds * self._rows(resolved),
        )

    def _most(self, resolved: Resolved, part: Part, key: str) -> Spending:
        name = f"{part} {key}"
        if name not in self._played:
            self._played[name] = most(resolved, [part])
        return self._played[name]

    def _rows(self, resolved: Resolved) -> int:
        """Rows times epochs of one round."""
        chosen = resolved.selection
        pairs = chosen.share * len(training_prompts(resolved)) * _KEPT
        pairs = min(pairs, chosen.limit or pairs)
        total = 0.0
        for layer in resolved.layers or (None,):
            rows = self._count(layer) if layer and layer.kind == "sft" else pairs
            total += rows * resolved.training(layer).epochs
        return round(total)

    def _count(self, layer: LayerConfig) -> int:
        key = f"{layer.data} {layer.themes} {layer.archetypes} {layer.failure_modes}"
        if key not in self._lessons:
            found = load_lessons(
                str(layer.data),
                themes=layer.themes,
                archetypes=layer.archetypes,
                failure_modes=layer.failure_modes,
            )
            self._lessons[key] = len(found)
        return min(self._lessons[key], layer.limit or self._lessons[key])


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds per unit of work, and where they come from.

    Attributes:
        seconds: Stage -> seconds per call (training: per pair and epoch).
        source: In words.
    """

    seconds: Mapping[str, float]
    source: str


def measured_rates(runs: Path, model: str) -> Rates:
    """Rates of finished runs of the same model, else those of the quickstart.

    Args:
        runs: Folder of the runs.
        model: The model of the base config.
    """
    seconds: dict[str, list[float]] = {}
    work: dict[str, list[float]] = {}
    found = 0
    for file in sorted(runs.glob("*/manifest.json")):
        config = file.parent / "config.yaml"
        try:
            if f"\nmodel: {model}\n" not in config.read_text("utf-8"):
                continue
            stages = Manifest(file.parent).stages
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found += 1
        for name, record in stages.items():
            units = _units(name, record.calls, file.parent)
            if units > 0 and not record.adopted:
                seconds.setdefault(name, []).append(record.seconds)
                work.setdefault(name, []).append(units)
    own = {name: sum(seconds[name]) / sum(work[name]) for name in seconds}
    source = (
        f"{found} earlier runs of this model in {runs}" if own else "the quickstart on two cores"
    )
    return Rates({**_DEFAULT_SECONDS, **own}, source)


def _units(stage: str, calls: int, run: Path) -> float:
    """Work a stage did: calls, or for training pairs times epochs, read from its result."""
    if stage != "training":
        # A stage that found nearly everything in the store says nothing about calls.
        return calls if stage in _DEFAULT_SECONDS and calls >= 20 else 0
    try:
        pairs = sum(1 for _ in (run / "30_pairs.jsonl").open("rb"))
        text = (run / "config.yaml").read_text("utf-8")
    except OSError:
        return 0
    epochs = next((line for line in text.splitlines() if line.startswith("  epochs: ")), "1: 1")
    return pairs * int(epochs.split(": ")[1])
