"""Plans a study: what each stage will cost, and which differences it can detect."""

from __future__ import annotations

import json
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
from ...stats.power import paired_t_power, smallest_visible_effect
from ..design import Design
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
    """Rates of finished runs of the same model, else those of the quickstart."""
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


FEWEST_SEEDS = 2


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """One arm's runs together.

    Attributes:
        arm: Its name.
        runs: Number of runs.
        done: How many of them are finished already.
        new_data: Data generations no earlier arm pays for.
        shared_data: Those it takes over.
        trainings: Trainings of its own.
        calls: Model calls, the most that is expected.
        usd: What they cost; None where a price is not known.
        seconds: Time on one machine, one run after the other.
    """

    arm: str
    runs: int
    done: int
    new_data: int
    shared_data: int
    trainings: int
    calls: int
    usd: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Power:
    """What the study can see.

    Attributes:
        seeds: Paired seeds.
        comparisons: Declared comparisons that are adjusted together.
        visible_sd: Smallest difference seen 80% of the time for one comparison, in
            standard deviations of the paired differences; None under two seeds.
        visible_sd_all: The same at Holm's first step, so for the hardest of all.
        sd: That standard deviation, where known, in the outcome's units.
        effect: The difference the author expects, or None.
        power: Probability of seeing it at Holm's first step, or None.
        source: Where `sd` comes from, in words.
    """

    seeds: int
    comparisons: int
    visible_sd: float | None
    visible_sd_all: float | None
    sd: float | None
    effect: float | None
    power: float | None
    source: str


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """The plan: per arm, in all, and what it can see."""

    design: Design
    arms: tuple[ArmPlan, ...]
    rates: Rates
    power: Power

    @property
    def calls(self) -> int:
        """Model calls of all arms."""
        return sum(arm.calls for arm in self.arms)

    @property
    def seconds(self) -> float:
        """Time of all arms on one machine, one run after the other."""
        return sum(arm.seconds for arm in self.arms)

    @property
    def usd(self) -> float | None:
        """Cost of all arms in US dollars; None where a price is not known."""
        known = [arm.usd for arm in self.arms if arm.usd is not None]
        return sum(known) if len(known) == len(self.arms) else None


def make_plan(design: Design) -> StudyPlan:
    """Counts what is new and what is shared. Loads no model and asks nothing.

    Calls are the most that is expected; equal requests of different settings are
    shared through the store as well, which is not counted here.

    Raises:
        ConfigurationError: Prompts cannot be read.
    """
    runs = Path(design.spec.runs)
    rates = measured_rates(runs, str(design.base["model"]))
    counter, paid = CostCounter(), _Paid()
    arms = tuple(_arm_plan(design, arm.name, counter, paid, rates, runs) for arm in design.arms)
    return StudyPlan(design, arms, rates, power_of(design))


class _Paid:
    """Keys of work that an earlier arm of the plan, or a finished run, has paid for."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def new(self, key: str) -> bool:
        """Whether nobody has paid for this yet; from now on somebody has."""
        if not key or key in self._keys:
            return False
        self._keys.add(key)
        return True


def _arm_plan(
    design: Design, arm: str, counter: CostCounter, paid: _Paid, rates: Rates, folder: Path
) -> ArmPlan:
    done = new_data = shared_data = trainings = 0
    asked = Spending()
    runs = [run for run in design.runs if run.arm == arm]
    seconds = 0.0
    for run in runs:
        keys = keys_of(run.config)
        finished = is_finished(folder / run.name)
        done += finished
        new = {
            "data": paid.new(keys.data),
            "training": paid.new(keys.training),
            "base": paid.new("base" + keys.base),
            "evaluation": paid.new("evaluation" + keys.evaluation),
        }
        if finished:
            continue
        new_data += new["data"]
        shared_data += bool(keys.data) and not new["data"]
        trainings += new["training"]
        cost = counter.cost(run.config)
        for stage, part, due in (
            ("calibration", cost.calibration, new["data"]),
            ("pairs", cost.pairs, new["data"]),
            ("pairs", cost.later, new["training"]),
            ("evaluation", cost.base, new["base"]),
            ("evaluation", cost.trained, new["evaluation"]),
        ):
            if due:
                asked += part
                seconds += rates.seconds[stage] * part.calls
        seconds += rates.seconds["training"] * cost.examples * new["training"]
    return ArmPlan(
        arm, len(runs), done, new_data, shared_data, trainings, asked.calls, asked.usd, seconds
    )


def is_finished(run: Path) -> bool:
    """Whether a run directory says it went through all its stages."""
    try:
        data = json.loads((run / "manifest.json").read_text("utf-8"))
        return bool(data["status"]["state"] == "finished")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def power_of(design: Design) -> Power:
    """What the number of seeds can see, from the author's expectation."""
    spec, seeds = design.spec, len(design.spec.seeds)
    declared = spec.comparisons or [a.name for a in design.arms if a.name != spec.against]
    comparisons = max(1, len(declared))
    alpha = 0.05 / comparisons
    expect = spec.expect
    sd = expect.sd if expect else None
    if seeds < FEWEST_SEEDS:
        return Power(seeds, comparisons, None, None, sd, None, None, "one seed sees nothing")
    effect = expect.effect if expect else None
    power = None
    if effect is not None and sd is not None:
        power = paired_t_power(seeds, effect / sd, alpha=alpha)
    source = "the study file" if sd is not None else "not known: give `expect: {effect, sd}`"
    return Power(
        seeds,
        comparisons,
        smallest_visible_effect(seeds),
        smallest_visible_effect(seeds, alpha=alpha),
        sd,
        effect,
        power,
        source,
    )
