"""What a run would ask of its models, before anything is asked: calls, tokens, cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, Literal

import yaml

from ..constitution.principle import Constitution
from ..errors import NotSupportedError
from ..evaluation.answer import JudgeQuality, Verdict
from ..llm.budget import Spending
from ..llm.cached import CachedModel
from ..llm.local.embedded import EMBEDDED
from ..llm.models import token_limits
from ..llm.prices import NO_FEE, Price, PriceTable, load_prices
from ..llm.request import Model
from ..llm.run_sync import run_sync
from ..preferences.builders.roles import Allows
from ..store.store import Store
from .estimating_model import HIGH, LOW, EstimatingModel, Scenario
from .inputs import compile_for, evaluation_prompts, probe_pairs, system_prompt, training_prompts
from .manifest import Manifest
from .pairs_stage import build_round
from .resolved import Resolved, RoleModel
from .stages import calibrate_for
from .unit import units_of

Part = Literal["calibration", "pairs", "later", "base", "trained"]
"""Part of what a run asks: `pairs` of round 1 and of `later` rounds; the evaluation of the
`base` model and of what is `trained` (where nothing is, of the base under a system prompt)."""
PARTS: tuple[Part, ...] = ("calibration", "pairs", "later", "base", "trained")
_SHIPPED: Final = {"calibration": 0.25, "pairs": 0.57, "evaluation": 0.28, "training": 0.94}
"""Seconds of a call, and of training a pair once, of SmolLM2-135M; see `_SHIPPED_ON`."""
_SHIPPED_ON: Final = "as measured on two cores of an Intel Xeon at 2.5 GHz (2026-11-26)"
_FEWEST_CALLS: Final = 20  # of a stage whose rate is believed
_STAGES = {"later": "pairs", "base": "evaluation", "trained": "evaluation"}


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """One stage's calls to one model.

    Attributes:
        stage: Its name.
        model: The model's spec.
        low: Short answers, each usable at once.
        high: Answers up to their limit (with `chat.reasoning_tokens` and `chat.verdict_tokens`
            where they are sent), each written as often as is allowed.
    """

    stage: str
    model: str
    low: Spending
    high: Spending


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run would ask of its models.

    Attributes:
        rows: Per stage and model, in the order of the stages.
        prices: Model -> its price; None where it is not known.
        notes: What could not be estimated, in sentences.
        time: How long the run takes, and by whose rates, in a sentence.
    """

    rows: tuple[StageEstimate, ...]
    prices: dict[str, Price | None]
    notes: tuple[str, ...]
    time: str

    @property
    def low(self) -> Spending:
        """All stages together."""
        return sum((row.low for row in self.rows), Spending())

    @property
    def high(self) -> Spending:
        """All stages together."""
        return sum((row.high for row in self.rows), Spending())


def estimate(resolved: Resolved, source: str = "config") -> RunEstimate:
    """Plays the run through with models that only count; loads, asks and writes nothing.

    The stages' own code decides what is asked, so prompts, openings and principles are
    those of the run. Equal requests are counted once, as the store does. Calls that are
    stored already are counted, too. Training asks nothing.

    Raises:
        ConfigurationError: The config, an archetype, a prompt set or a price file is wrong.
    """
    resolved.check(source)
    prices = _prices(resolved)
    low, notes = _play(resolved, LOW, prices, PARTS)
    high, _ = _play(resolved, HIGH, prices, PARTS)
    low, high = _by_stage(low), _by_stage(high)
    rows = tuple(
        StageEstimate(stage, model, low.get((stage, model), Spending()), spending)
        for (stage, model), spending in high.items()
    )
    priced = {spec: prices.price(spec) for spec in resolved.models}
    return RunEstimate(rows, priced, tuple(notes), _time(resolved, rows))


def _time(resolved: Resolved, rows: Sequence[StageEstimate]) -> str:
    """How long the run takes, in a sentence; never guessed from other models' rates."""
    asked = {row.stage for row in rows}
    rates, measured = _earlier_rates(resolved), "by the rates of earlier runs beside this one"
    wanted = asked if resolved.untrained else asked | {"training"}
    if wanted - rates.keys():
        if set(resolved.models) != {EMBEDDED}:
            who = ", ".join(resolved.models)
            return f"How long it takes is not known: no earlier run beside this one asked {who}."
        rates, measured = _SHIPPED, _SHIPPED_ON
    low = sum(row.low.calls * rates[row.stage] for row in rows) / 60
    high = sum(row.high.calls * rates[row.stage] for row in rows) / 60
    trained = 0.0
    if not resolved.untrained:
        pairs = len(training_prompts(resolved))
        epochs = sum(resolved.training(unit.layer).epochs for unit in units_of(resolved))
        trained = pairs * epochs * rates["training"] / 60
    low, high = max(1, round(low + trained)), max(1, round(high + trained))
    span = f"{low}" if low == high else f"{low} to {high}"
    training = f", {trained:.0f} of them training" if trained >= 1 else ""
    return f"It takes about {span} minutes{training}, {measured}. Stored calls take no time."


def _earlier_rates(resolved: Resolved) -> dict[str, float]:
    """Stage -> seconds of a call (training: of a pair once) in earlier runs of these models."""
    found: dict[str, list[float]] = {}
    for file in resolved.folder.parent.glob("*/manifest.json"):
        try:
            config = yaml.safe_load((file.parent / "config.yaml").read_text("utf-8"))
            asked = {config[n] for n in ("model", "critic", "comparator", "teacher") if config[n]}
            stages = Manifest(file.parent).stages
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            continue  # a run of another version, or a damaged one, says nothing
        if asked != set(resolved.models):
            continue
        for name, record in stages.items():
            if record.calls >= _FEWEST_CALLS:
                found.setdefault(name, []).append(record.seconds / record.calls)
        pairs, epochs = file.parent / "30_pairs.jsonl", config.get("training", {}).get("epochs")
        done = stages.get("training")
        if (
            done
            and not done.adopted
            and config.get("layers") is None
            and pairs.is_file()
            and epochs
        ):
            rows = len(pairs.read_bytes().splitlines())
            found.setdefault("training", []).append(done.seconds / max(1, rows * epochs))
    return {name: median(rates) for name, rates in found.items()}


def most(resolved: Resolved, parts: Sequence[Part]) -> Spending:
    """What parts of a run ask at the most, all models together; see `estimate`.

    Raises:
        ConfigurationError: An archetype, a prompt set or a price file is wrong.
    """
    high, _ = _play(resolved, HIGH, _prices(resolved), parts)
    return sum(high.values(), Spending())


def _prices(resolved: Resolved) -> PriceTable:
    own = resolved.budget.prices
    return load_prices(Path(own) if own else None)


Ledger = dict[tuple[str, str], Spending]


def _by_stage(ledger: Ledger) -> Ledger:
    """Spending of each stage and model, from that of each part and model."""
    found: Ledger = {}
    for (part, spec), spending in ledger.items():
        key = _STAGES.get(part, part), spec
        found[key] = found.get(key, Spending()) + spending
    return found


def _play(
    resolved: Resolved, scenario: Scenario, prices: PriceTable, parts: Sequence[Part]
) -> tuple[Ledger, list[str]]:
    """One pass over parts of a run: what each spends on each model, and what failed."""
    ledger: Ledger = {}
    failed: dict[str, str] = {}
    part = ""

    def model(role: RoleModel) -> CachedModel:
        spec, price = role.spec, prices.price(role.spec)

        def book(spending: Spending) -> None:
            ledger[part, spec] = ledger.get((part, spec), Spending()) + spending

        # A trained model is another one: nothing it is asked was asked before.
        name = f"{spec} (round {role.rounds})" if role.rounds else spec
        counting = EstimatingModel(
            name,
            scenario,
            price,
            limits=token_limits(spec, resolved.chat),
            can_score=price is NO_FEE,
            on_call=book,
        )
        return CachedModel(counting, store)

    constitution = compile_for(resolved)
    with Store(":memory:") as store:
        for part in parts:
            stage = _STAGES.get(part, part)
            if stage in failed or (resolved.untrained and stage != "evaluation"):
                continue
            try:
                _play_part(part, resolved, constitution, model, scenario)
            except NotSupportedError as error:
                failed[stage] = f"{stage} could not be estimated to its end: {error}."
    return ledger, list(failed.values())


_ModelOf = Callable[[RoleModel], CachedModel]


def _play_part(
    part: str,
    resolved: Resolved,
    constitution: Constitution,
    model: _ModelOf,
    scenario: Scenario,
) -> None:
    if part == "calibration":
        comparator = model(RoleModel(resolved.calibrated))
        run_sync(calibrate_for(resolved, comparator, constitution))
    elif part == "pairs":
        _pairs(resolved, constitution, model, scenario, 0)
    elif part == "later":
        for number in range(1, resolved.rounds if resolved.refresh else 1):
            _pairs(resolved, constitution, model, scenario, number)
    elif part == "base":
        _measure(resolved, model, 0, "" if resolved.untrained else system_prompt(resolved))
    elif not resolved.untrained:
        for number in range(1, resolved.rounds + 1):
            _measure(resolved, model, number, system_prompt(resolved))
    elif system_prompt(resolved):
        _measure(resolved, model, 0, system_prompt(resolved))


def _pairs(
    resolved: Resolved,
    constitution: Constitution,
    model: _ModelOf,
    scenario: Scenario,
    number: int,
) -> None:
    update: dict[str, object] = {"max_failed_share": 1.0}
    if not scenario.troublesome:
        update["tries"] = 1
    settings = resolved.pairs(number).model_copy(update=update)
    # Before the critic is measured, at most everything and at least nothing is compared.
    compares = scenario.troublesome or settings.builder == "best_of_n"
    made = build_round(
        training_prompts(resolved),
        constitution,
        resolved.roles(number),
        settings,
        model_of=model,
        gate=_everywhere if compares else None,
    )
    run_sync(made)


def _everywhere(comparator: Model) -> Allows:
    return lambda failure_mode, role: True


def _measure(resolved: Resolved, model: _ModelOf, number: int, system: str) -> None:
    """The evaluation of the model after so many rounds of training."""
    from ..evaluation.evaluate import evaluate_model
    from ..evaluation.perplexity import held_out_text

    work = evaluate_model(
        model(RoleModel(resolved.model, number)),
        evaluation_prompts(resolved),
        name="estimate",
        judge=_NoJudge(),
        exemplars=probe_pairs(resolved),
        text=held_out_text(),
        max_tokens=resolved.evaluation.max_tokens,
        system=system,
    )
    run_sync(work)


class _NoJudge:
    """The answers are made up; nobody reads the verdicts."""

    quality = JudgeQuality(1.0, 1.0, 1.0, 0)

    def verdict(self, prompt: str, answer: str) -> Verdict:
        return "answered"

    def p_refused(self, answer: str, prompt: str = "") -> float:
        return 0.0
