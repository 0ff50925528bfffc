"""What a run would ask of its models, before anything is asked: calls, tokens, cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..constitution.principle import Constitution
from ..errors import NotSupportedError
from ..evaluation.answer import JudgeQuality, Verdict
from ..llm.budget import Spending
from ..llm.cached import CachedModel
from ..llm.prices import NO_FEE, Price, PriceTable, load_prices
from ..llm.run_sync import run_sync
from ..preferences.builders.roles import Models
from ..store.store import Store
from .config import RunConfig, check_config
from .estimating_model import HIGH, LOW, EstimatingModel, Scenario
from .inputs import (
    calibration_pairs,
    compile_for,
    evaluation_prompts,
    probe_pairs,
    training_prompts,
)
from .resolved import conditions_of, critic_of, pair_settings


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """One stage's calls to one model.

    Attributes:
        stage: Its name.
        model: The model's spec.
        low: Short answers, each usable at once.
        high: Answers up to their limit, each written as often as is allowed.
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
    """

    rows: tuple[StageEstimate, ...]
    prices: dict[str, Price | None]
    notes: tuple[str, ...]

    @property
    def low(self) -> Spending:
        """All stages together."""
        return sum((row.low for row in self.rows), Spending())

    @property
    def high(self) -> Spending:
        """All stages together."""
        return sum((row.high for row in self.rows), Spending())


def estimate(config: RunConfig, source: str = "config") -> RunEstimate:
    """Plays the run through with models that only count; loads, asks and writes nothing.

    The stages' own code decides what is asked, so prompts, openings and principles are
    those of the run. Equal requests are counted once, as the store does. Calls that are
    stored already are counted, too. Training asks nothing.

    Args:
        config: The run.
        source: Where the config came from, for messages.

    Raises:
        ConfigurationError: The config, an archetype, a prompt set or a price file is wrong.
    """
    check_config(config, source)
    own = config.budget.prices
    prices = load_prices(Path(own) if own else None)
    low, notes = _play(config, LOW, prices)
    high, _ = _play(config, HIGH, prices)
    rows = tuple(
        StageEstimate(stage, model, low.get((stage, model), Spending()), spending)
        for (stage, model), spending in high.items()
    )
    return RunEstimate(rows, {spec: prices.price(spec) for spec in config.models}, tuple(notes))


Ledger = dict[tuple[str, str], Spending]


def _play(config: RunConfig, scenario: Scenario, prices: PriceTable) -> tuple[Ledger, list[str]]:
    """One pass over all stages: what each spends on each model, and what failed."""
    ledger: Ledger = {}
    notes: list[str] = []
    stage = ""

    def model(spec: str, name: str = "") -> CachedModel:
        def book(spending: Spending) -> None:
            ledger[stage, spec] = ledger.get((stage, spec), Spending()) + spending

        price = prices.price(spec)
        counting = EstimatingModel(
            spec + name, scenario, price, can_score=price is NO_FEE, on_call=book
        )
        return CachedModel(counting, store)

    constitution = compile_for(config)
    with Store(":memory:") as store:
        for stage, play in (
            ("calibration", _calibration),
            ("pairs", _pairs),
            ("evaluation", _evaluation),
        ):
            try:
                play(config, constitution, model, scenario)
            except NotSupportedError as error:
                notes.append(f"{stage} could not be estimated to its end: {error}.")
    return ledger, notes


_Models = Callable[..., CachedModel]


def _calibration(
    config: RunConfig, constitution: Constitution, model: _Models, scenario: Scenario
) -> None:
    from ..critic.calibrate import calibrate

    comparator = model(config.comparator_model)
    run_sync(calibrate(comparator, calibration_pairs(config), constitution, seed=config.pairs.seed))


def _pairs(
    config: RunConfig, constitution: Constitution, model: _Models, scenario: Scenario
) -> None:
    from ..preferences.builders.registry import get_builder

    update = (
        {"max_failed_share": 1.0} if scenario.troublesome else {"max_failed_share": 1.0, "tries": 1}
    )
    build, only_compares = get_builder(config.pairs.builder), config.pairs.builder == "best_of_n"
    policy, critic = model(config.model), model(config.critic_model)
    comparator = model(config.comparator_model)
    teacher = model(config.teacher) if config.teacher else None

    def allows(failure_mode: str, role: str) -> bool:
        # Before the critic is measured, at most everything and at least nothing is compared.
        return scenario.troublesome or only_compares

    for number in range(config.rounds if conditions_of(config).data.refresh else 1):
        # A trained model is another one: nothing it is asked was asked before.
        writer = model(config.model, f" (round {number})") if number else policy
        settings = pair_settings(config, number).model_copy(update=update)
        judge = writer if critic_of(config) == config.model else critic
        models = Models(writer, judge, comparator, teacher, allows)
        run_sync(build(training_prompts(config), constitution, models, settings))


def _evaluation(
    config: RunConfig, constitution: Constitution, model: _Models, scenario: Scenario
) -> None:
    from ..evaluation.evaluate import evaluate_model
    from ..evaluation.perplexity import held_out_text

    rounds = [f" (round {number})" for number in range(1, config.rounds)]
    for name in ("", *rounds, " (trained)"):
        run_sync(
            evaluate_model(
                model(config.model, name),
                evaluation_prompts(config),
                name="estimate",
                judge=_NoJudge(),
                exemplars=probe_pairs(config),
                text=held_out_text(),
                max_tokens=config.evaluation.max_tokens,
            )
        )


class _NoJudge:
    """The answers are made up; nobody reads the verdicts."""

    quality = JudgeQuality(1.0, 1.0, 1.0, 0)

    def verdict(self, prompt: str, answer: str) -> Verdict:
        return "answered"

    def p_refused(self, answer: str, prompt: str = "") -> float:
        return 0.0
