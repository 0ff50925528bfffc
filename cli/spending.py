"""What a command may spend on models: estimated, asked about, capped. One rule for all of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer
from rich.console import Console

from ..errors import ConfigurationError, NotSupportedError, OutcomeError, Problem
from ..llm.budget import Budget, BudgetLimits, Spending
from ..llm.prices import NO_FEE, load_prices

if TYPE_CHECKING:
    from ..pipeline.models import RunModels
    from ..pipeline.progress import StageProgress
    from ..pipeline.resolved import Resolved

PAID_CALLS: Final = 50
"""Most calls to models with a fee, or with an unknown price, that are made without asking."""

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only estimate calls, tokens, cost.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before many paid calls.")]
MaxCalls = Annotated[int | None, typer.Option(min=1, help="Most calls, local ones included.")]
MaxUsd = Annotated[float | None, typer.Option(min=0.01, help="Most US dollars.")]
Prices = Annotated[Path | None, typer.Option(help="YAML file with prices of your own.")]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the options of a command say.

    Attributes:
        dry_run: Only estimate.
        yes: Do not ask.
        max_calls: Most calls; None for no limit.
        max_usd: Most US dollars; None for no limit.
        prices: File with prices of one's own; None for the shipped ones alone.
    """

    dry_run: bool = False
    yes: bool = False
    max_calls: int | None = None
    max_usd: float | None = None
    prices: Path | None = None

    def spend(
        self,
        specs: Sequence[str],
        work: Callable[[RunModels, StageProgress], T],
        *,
        store: Path,
        title: str,
        batch_size: int = 32,
    ) -> T:
        """Does a command's work with models behind the store and within these limits.

        The work is played through with models that only count where some calls are paid for
        or an estimate is asked for, so what it does with models must go through `RunModels`.

        Args:
            specs: Every model that it may ask.
            work: The work.
            store: The call store.
            title: What the progress line says.
            batch_size: Most requests a local model runs together.

        Raises:
            ConfigurationError: A model that cannot work, or many paid calls that nobody
                agreed to; nothing was asked.
            BudgetError: The next calls do not fit.
            Exit: An estimate was asked for, or the answer was no.
        """
        from ..pipeline.models import RunModels
        from ..pipeline.progress import StageProgress
        from ..store.store import Store

        self._refuse(specs)
        table = load_prices(self.prices)
        if self.dry_run or any(table.price(spec) is not NO_FEE for spec in specs):
            paid = self._estimate(specs, work, store)
            if self.dry_run:
                raise typer.Exit
            self.agree(paid)
        progress = StageProgress(Console(stderr=True))
        limits = BudgetLimits(max_calls=self.max_calls, max_usd=self.max_usd)
        started = time.monotonic()
        with Store(store) as kept, progress.stage(title):
            models = RunModels(
                kept,
                batch_size=batch_size,
                on_progress=progress.update,
                budget=Budget(limits),
                prices=table,
            )
            progress.status = models.meter.text
            found = work(models, progress)
        text = f"{time.monotonic() - started:.0f} s, {models.budget.spent}; stored calls are free."
        Console(stderr=True).print(text, highlight=False)
        return found

    def agree(self, paid: Spending) -> None:
        """Asks a person before more than `PAID_CALLS` paid calls, unless told not to.

        Raises:
            ConfigurationError: There is nobody to ask.
            Exit: The answer was no.
        """
        if self.yes or paid.calls <= PAID_CALLS:
            return
        if not sys.stdin.isatty():
            message = f"this may make {paid} (paid, or of a price that is not known)"
            fix = "add --yes, or lower it; --dry-run shows what it is made of"
            raise ConfigurationError.one("R015", "command", message, fix)
        if not typer.confirm(f"This may make {paid}. Go on?", err=True):
            raise typer.Exit(1)

    def _refuse(self, specs: Sequence[str]) -> None:
        from ..pipeline.model_names import problems_of

        problems = problems_of(specs)
        table = load_prices(self.prices)
        if self.max_usd is not None:
            fix = "give it in a file with --prices, or cap --max-calls instead"
            problems += [
                Problem("R004", "error", "command", 0, f"--max-usd needs the price of {spec}", fix)
                for spec in specs
                if table.price(spec) is None
            ]
        if problems:
            raise ConfigurationError(problems)

    def _estimate(
        self, specs: Sequence[str], work: Callable[[RunModels, StageProgress], T], store: Path
    ) -> Spending:
        """Prints what each model would be asked at most; returns what is paid for."""
        from ..pipeline.estimating_model import CountingModels
        from ..pipeline.progress import StageProgress

        console, table = Console(stderr=not self.dry_run), load_prices(self.prices)
        with CountingModels(store, table) as models:
            try:
                work(models, StageProgress(console, quiet=True))
            except (NotSupportedError, OutcomeError) as error:
                console.print(f"Counted as far as this: {error}", markup=False, highlight=False)
            asked = {spec: models.asked.get(spec, Spending()) for spec in dict.fromkeys(specs)}
        paid = Spending()
        for spec, most in asked.items():
            free = table.price(spec) is NO_FEE
            paid = paid if free else paid + most
            cost = "no fee" if free else most.cost
            text = f"{spec}: at most {most.calls:,} calls, {most.tokens:,} tokens, {cost}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        console.print("Calls that are stored are free and not counted for models with a fee.")
        return paid


def agree_to_run(resolved: Resolved, source: str, *, yes: bool) -> None:
    """Asks before a run's paid calls, where neither a budget nor an earlier start has agreed.

    Args:
        resolved: The run.
        source: Where its config came from, for messages.
        yes: Do not ask.
    """
    from ..pipeline.preflight import asked_before

    budget = resolved.budget
    table = load_prices(Path(budget.prices) if budget.prices else None)
    paid = {spec for spec in resolved.models if table.price(spec) is not NO_FEE}
    capped = (budget.max_calls, budget.max_tokens, budget.max_usd) != (None, None, None)
    if yes or not paid or capped or asked_before(resolved):
        return
    from ..pipeline.estimate import estimate
    from ..pipeline.preflight import preflight, refuse

    refuse(preflight(resolved, source))
    rows = [row.high for row in estimate(resolved, source).rows if row.model in paid]
    Limits().agree(sum(rows, Spending()))


def show_estimate(file: Path, console: Console) -> None:
    """Prints everything that is known before the first call; nothing is loaded, asked or written.

    What is wrong comes first. Only a key, a server or memory that is missing leaves the
    estimate standing, since it may be there by the time of the run.
    """
    from ..pipeline.estimate import estimate
    from ..pipeline.model_names import ENVIRONMENT
    from ..pipeline.preflight import preflight
    from ..pipeline.resolved import Resolved
    from .render.estimate import estimate_text

    resolved = Resolved.load(file)
    errors = set()
    for problem in preflight(resolved, str(file)):
        console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
        errors |= {problem.code} if problem.severity == "error" else set()
    if not errors - ENVIRONMENT:
        console.print(estimate_text(estimate(resolved, str(file)), resolved.budget))
    if errors:
        raise typer.Exit(2)
