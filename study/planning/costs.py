"""What a stage costs, before it is run: calls by counting, seconds by what runs took before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...pipeline.config import RunConfig
from ...pipeline.inputs import evaluation_prompts, probe_pairs, training_prompts
from ...pipeline.layer import LayerConfig
from ...pipeline.manifest import Manifest
from ...pipeline.resolved import conditions_of
from ...pipeline.spending import read_spending
from ...prompts.lessons import load_lessons

_TEXT_CHUNKS = 16  # scored texts of the perplexity measure
_CALIBRATION_CALLS = 4  # per labelled pair: two options in two orders
_PER_PROMPT = {"critique_revise": (3.0, 2.5), "contrast": (2.0, 2.0), "teacher": (2.0, 2.0)}
"""Builder -> calls per prompt: fewest, and what is added to `tries` for the most."""
_DEFAULT_SECONDS = {"calibration": 0.12, "pairs": 0.22, "evaluation": 0.2, "training": 0.68}
"""Seconds per call, and per pair and epoch of training: the quickstart on two cores."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Model calls of one run's stages, each the most that is expected.

    Attributes:
        calibration: Scored options.
        pairs: Drafts, critiques, revisions and what is written again.
        base: Answers and scores of the untrained model.
        trained: The same of what the run leaves; an untrained run has none.
        later: Pairs of later rounds, drafted with the model trained so far.
        examples: Rows times epochs that training goes through.
    """

    calibration: int
    pairs: int
    base: int
    trained: int
    later: int
    examples: int


class CallCounter:
    """Counts calls of configs; prompts are read once for equal settings."""

    def __init__(self) -> None:
        self._prompts: dict[str, int] = {}

    def calls(self, config: RunConfig) -> Calls:
        """Calls of one run if nothing were shared.

        Raises:
            ConfigurationError: Its prompts cannot be read.
        """
        measured = (
            self._count("evaluation", config) + _TEXT_CHUNKS + 2 * self._count("probe", config)
        )
        if config.untrained:
            return Calls(0, 0, measured, measured if config.evaluation.system else 0, 0, 0)
        prompts = self._count("training", config)
        per_prompt = self._per_prompt(config)
        labelled = config.calibration.limit or 800
        kept = config.selection.share * prompts * 0.9
        kept = min(kept, config.selection.limit or kept)
        fresh = config.rounds - 1 if conditions_of(config).data.refresh else 0
        return Calls(
            _CALIBRATION_CALLS * labelled,
            round(prompts * per_prompt),
            measured,
            measured * config.rounds,
            round(prompts * per_prompt) * fresh,
            config.rounds * self._rows(config, kept),
        )

    def _rows(self, config: RunConfig, pairs: float) -> int:
        """Rows times epochs of one round."""
        total = 0.0
        for layer in config.layers or ():
            epochs = layer.epochs or config.training.epochs
            total += epochs * (pairs if layer.kind == "dpo" else self._lessons(layer))
        return round(total if config.layers else pairs * config.training.epochs)

    def _lessons(self, layer: LayerConfig) -> int:
        key = f"lessons {layer.data} {layer.themes} {layer.archetypes} {layer.failure_modes}"
        if key not in self._prompts:
            found = load_lessons(
                str(layer.data),
                themes=layer.themes,
                archetypes=layer.archetypes,
                failure_modes=layer.failure_modes,
            )
            self._prompts[key] = len(found)
        return min(self._prompts[key], layer.limit or self._prompts[key])

    def _per_prompt(self, config: RunConfig) -> float:
        fewest, more = _PER_PROMPT.get(config.pairs.builder, (3.0, 8.0))
        return fewest if config.pairs.builder == "contrast" else more + config.pairs.tries

    def _count(self, what: str, config: RunConfig) -> int:
        read: dict[str, Any] = {
            "training": (training_prompts, config.prompts),
            "evaluation": (evaluation_prompts, config.evaluation),
            "probe": (probe_pairs, [config.evaluation, config.archetypes.path]),
        }
        function, settings = read[what]
        key = f"{what} {config.prompts.folder} {settings}"
        if key not in self._prompts:
            self._prompts[key] = len(function(config))
        return self._prompts[key]


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds per unit of work, and where they come from.

    Attributes:
        seconds: Stage -> seconds per call (training: per pair and epoch).
        usd_per_call: US dollars per call of earlier runs; 0 for local models.
        source: In words.
    """

    seconds: Mapping[str, float]
    usd_per_call: float
    source: str


def measured_rates(runs: Path, model: str) -> Rates:
    """Rates of finished runs of the same model, else those of the quickstart.

    Args:
        runs: Folder of the runs.
        model: The model of the base config.
    """
    seconds: dict[str, list[float]] = {}
    work: dict[str, list[float]] = {}
    calls, usd, found = 0, 0.0, 0
    for file in sorted(runs.glob("*/manifest.json")):
        config = file.parent / "config.yaml"
        try:
            if f"\nmodel: {model}\n" not in config.read_text("utf-8"):
                continue
            stages = Manifest(file.parent).stages
            spent = read_spending(file.parent / "spending.jsonl")
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found += 1
        calls, usd = calls + spent.calls, usd + (spent.usd or 0.0)
        for name, record in stages.items():
            units = _units(name, record.calls, file.parent)
            if units > 0 and not record.adopted:
                seconds.setdefault(name, []).append(record.seconds)
                work.setdefault(name, []).append(units)
    own = {name: sum(seconds[name]) / sum(work[name]) for name in seconds}
    source = (
        f"{found} earlier runs of this model in {runs}" if own else "the quickstart on two cores"
    )
    return Rates({**_DEFAULT_SECONDS, **own}, usd / calls if calls else 0.0, source)


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
