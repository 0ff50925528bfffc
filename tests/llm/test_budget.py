"""Caps on calls, tokens and dollars: never crossed, free for stored calls, kept over a kill."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from anlage.cli.app import app
from anlage.errors import BudgetError, ConfigurationError, NotSupportedError, RunDirectoryError
from anlage.llm.budget import Budget, Budgeted, BudgetLimits, Spending, expected_prompt_tokens
from anlage.llm.cached import CachedModel
from anlage.llm.message import Message
from anlage.llm.prices import NO_FEE, PRICES, Price, load_prices
from anlage.llm.request import Completion, Request, Score
from anlage.llm.scripted import ScriptedModel
from anlage.pipeline.config import RunConfig, resolved_text
from anlage.pipeline.run import Run, run
from anlage.pipeline.spending import SpendingLog, read_spending
from anlage.store.store import Store
from typer.testing import CliRunner

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model

PRICE = Price(1_000.0, 10_000.0)  # so that a few words cost cents


def requests(n: int, start: int = 0) -> list[Request]:
    return [
        Request((Message("user", f"What about river {i}?"),), max_tokens=30)
        for i in range(start, start + n)
    ]


def budgeted(limits: BudgetLimits, *, price: Price | None = NO_FEE) -> tuple[Budgeted, Budget]:
    budget = Budget(limits)
    return Budgeted(ScriptedModel(batch_size=4), budget, price), budget


def test_a_batch_that_does_not_fit_is_not_begun() -> None:
    model, budget = budgeted(BudgetLimits(max_calls=10))
    stored = CachedModel(model, Store(":memory:"))
    with pytest.raises(BudgetError, match="8 calls") as raised:
        asyncio.run(stored.complete(requests(12)))
    assert budget.spent.calls == 8  # two batches of four; the third would make twelve
    assert stored.store.count("call") == 8
    assert "max_calls: 10" in str(raised.value)
    assert "`budget` in a config" in str(raised.value)
    assert raised.value.exit_code == 1


def test_stored_calls_are_free() -> None:
    model, budget = budgeted(BudgetLimits(max_calls=4))
    stored = CachedModel(model, Store(":memory:"))
    for _ in range(3):
        assert len(asyncio.run(stored.complete(requests(4)))) == 4
    assert budget.spent.calls == 4
    with pytest.raises(BudgetError):
        asyncio.run(stored.complete(requests(5)))


def test_tokens_and_dollars_are_those_the_model_reports() -> None:
    model, budget = budgeted(BudgetLimits(), price=PRICE)
    answers = asyncio.run(model.complete(requests(3)))
    sent = sum(answer.usage.prompt_tokens for answer in answers)
    received = sum(answer.usage.completion_tokens for answer in answers)
    assert (budget.spent.prompt_tokens, budget.spent.completion_tokens) == (sent, received)
    assert budget.spent.usd == pytest.approx((sent * 1_000 + received * 10_000) / 1e6)
    assert received > sent > 0  # so that swapping the two prices would show


@pytest.mark.parametrize("limits", [BudgetLimits(max_tokens=400), BudgetLimits(max_usd=2.0)])
def test_no_cap_is_crossed(limits: BudgetLimits) -> None:
    model, budget = budgeted(limits, price=PRICE)

    def spend() -> None:
        for start in range(0, 1000, 4):
            asyncio.run(model.complete(requests(4, start)))

    with pytest.raises(BudgetError, match=r"max_(tokens|usd)"):
        spend()
    assert budget.spent.tokens > 0
    assert limits.max_tokens is None or budget.spent.tokens <= limits.max_tokens
    assert limits.max_usd is None or (budget.spent.usd or 0) <= limits.max_usd


def test_calls_in_flight_count_before_they_return() -> None:
    class Slow(ScriptedModel):
        async def complete(self, requests: Sequence[Request]) -> list[Completion]:
            await asyncio.sleep(0.01)
            return await super().complete(requests)

    budget = Budget(BudgetLimits(max_calls=10))
    model = Budgeted(Slow(), budget, NO_FEE)

    async def all_at_once() -> list[list[Completion] | BaseException]:
        tasks = [model.complete(requests(1, start)) for start in range(64)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(all_at_once())
    assert sum(isinstance(result, list) for result in results) == 10
    assert sum(isinstance(result, BudgetError) for result in results) == 54
    assert budget.spent.calls == 10
    with pytest.raises(BudgetError, match="the next 1 calls"):  # and nothing stays reserved
        asyncio.run(model.complete(requests(1, 99)))


def test_calls_that_only_those_in_flight_keep_out_wait_for_them() -> None:
    class Slow(ScriptedModel):
        async def complete(self, requests: Sequence[Request]) -> list[Completion]:
            await asyncio.sleep(0.01)
            return await super().complete(requests)

    # Each is weighed at 40 tokens or more and costs a few: all fit, not all at once.
    budget = Budget(BudgetLimits(max_tokens=1_000))
    model = Budgeted(Slow([("river", "It flows.")]), budget, NO_FEE)

    async def all_at_once() -> list[list[Completion]]:
        return await asyncio.gather(*(model.complete(requests(1, start)) for start in range(64)))

    assert len(asyncio.run(all_at_once())) == 64
    assert budget.spent.calls == 64
    assert budget.spent.tokens < 1_000


def test_a_crash_gives_back_what_was_set_aside() -> None:
    budget = Budget(BudgetLimits(max_calls=8, max_tokens=100_000))
    model = Budgeted(ScriptedModel(fail_at=1), budget, NO_FEE)
    with pytest.raises(RuntimeError, match="scripted failure"):
        asyncio.run(model.complete(requests(4)))
    assert budget.spent.tokens == 0
    assert len(asyncio.run(model.complete(requests(4)))) == 4


def test_a_cap_in_dollars_stops_a_model_without_a_price() -> None:
    model, _ = budgeted(BudgetLimits(max_usd=5.0), price=None)
    with pytest.raises(BudgetError, match="max_usd"):
        asyncio.run(model.complete(requests(1)))


def test_scored_texts_count() -> None:
    model, budget = budgeted(BudgetLimits(max_calls=3))
    asyncio.run(model.score([(request, "It flows.") for request in requests(3)]))
    assert budget.spent.calls == 3
    with pytest.raises(BudgetError):
        asyncio.run(model.score([(requests(1)[0], "It rests.")]))


def test_a_model_that_cannot_score_says_so_however_little_is_left() -> None:
    class Chat(ScriptedModel):
        async def score(self, texts: Sequence[tuple[Request, str]]) -> list[Score]:
            raise NotSupportedError("no log-probabilities")

    budget = Budget(BudgetLimits(max_calls=2))
    model = Budgeted(Chat(), budget, NO_FEE)
    with pytest.raises(NotSupportedError):
        asyncio.run(model.score([(request, "It flows.") for request in requests(4)]))
    assert len(asyncio.run(model.complete(requests(2)))) == 2  # two calls do fit


def test_every_field_that_is_sent_is_expected() -> None:
    bare = Request((Message("user", "x" * 30),))
    longer = Request((Message("user", "x" * 30),), prefill="y" * 30, schema="z" * 30)
    assert expected_prompt_tokens(longer) == expected_prompt_tokens(bare) + 20


def test_the_shipped_prices_are_dated_and_sourced() -> None:
    table = load_prices()
    assert len(table.rows) >= 8
    for spec, row in table.rows.items():
        assert row.as_of >= "2026", spec
        assert row.source.startswith("https://"), spec
        assert 0 < row.prompt < row.completion, spec
    assert table.price("openai:gpt-4o-mini") == Price(
        0.15, 0.6, "2026-05", "https://platform.openai.com/docs/pricing"
    )
    assert PRICES.parent.name == "llm"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("smollm2-135m", NO_FEE),
        ("org/model", NO_FEE),
        ("./folder", NO_FEE),
        ("scripted", NO_FEE),
        ("openai:gpt-nobody-knows", None),
        ("openai:gpt-4o-mini@http://localhost:8000/v1", None),
        ("ollama:llama3", Price(0, 0, "2026-01")),
        ("openai:gpt-4o", Price(9, 99, "2026-11")),
    ],
)
def test_a_price_is_looked_up_and_never_guessed(
    tmp_path: Path, spec: str, expected: Price | None
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        'openai:gpt-4o: {in: 9, out: 99, as_of: "2026-11"}\n'
        'ollama:*: {in: 0, out: 0, as_of: "2026-01"}\n'
    )
    assert load_prices(own).price(spec) == expected


def test_a_wrong_price_file_names_line_and_fix(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text('a:b: {in: 1, out: 2, as_of: "2026"}\nc:d: {in: -1, output: 2, as_of: "2026"}\n')
    with pytest.raises(ConfigurationError) as raised:
        load_prices(own)
    assert {problem.line for problem in raised.value.problems} == {2}
    assert all(word in str(raised.value) for word in ("in:", "out:", "output:", "write a row like"))


def test_the_spending_file_survives_a_cut_line(tmp_path: Path) -> None:
    log = SpendingLog(tmp_path / "spending.jsonl")
    log.add(Spending(2, 30, 10, 0.5))
    with log.path.open("a") as file:
        file.write('{"calls": 1, "prompt_to')  # the process was killed here
    SpendingLog(log.path).add(Spending(1, 3, 1, 0.25))
    assert read_spending(log.path) == Spending(3, 33, 11, 0.75)
    assert (Spending(1, 1, 1, None) + Spending(1, 1, 1, 2.0)).usd is None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    folder = tmp_path_factory.mktemp("budget")
    model = make_tiny_model(folder / "model")
    return model, run(tiny_run_config(folder / "whole", model), until="pairs")


def capped(folder: Path, model: Path, **budget: float) -> RunConfig:
    config = tiny_run_config(folder, model).model_dump()
    return RunConfig.model_validate({**config, "budget": budget})


def test_a_run_stops_at_its_cap_and_goes_on_under_a_higher_one(
    whole: tuple[Path, Run], tmp_path: Path
) -> None:
    model, uncapped = whole
    half = uncapped.calls // 2
    with pytest.raises(BudgetError, match="Every answer is stored"):
        run(capped(tmp_path, model, max_calls=half), until="pairs")
    spent = read_spending(tmp_path / "tiny" / "spending.jsonl").calls
    assert half - 4 < spent <= half
    status = json.loads((tmp_path / "tiny" / "manifest.json").read_text())["status"]
    assert status["state"] == "stopped"

    with pytest.raises(BudgetError):  # the cap is the run's, not the process's
        run(capped(tmp_path, model, max_calls=half), until="pairs")
    assert read_spending(tmp_path / "tiny" / "spending.jsonl").calls == spent

    higher = capped(tmp_path, model, max_calls=uncapped.calls)
    done = run(higher, until="pairs")
    assert done.calls == uncapped.calls - spent  # nothing is paid for twice
    pairs = "30_pairs.jsonl"
    assert (done.path / pairs).read_bytes() == (uncapped.path / pairs).read_bytes()
    assert (done.path / "config.yaml").read_text() == resolved_text(higher)


def test_only_the_budget_may_change(whole: tuple[Path, Run]) -> None:
    model, uncapped = whole
    config = capped(uncapped.path.parent, model, max_tokens=10**9)
    assert run(config, until="pairs").calls == 0
    fewer = config.prompts.model_copy(update={"limit": 2})
    with pytest.raises(RunDirectoryError, match="prompts"):
        run(config.model_copy(update={"prompts": fewer}), until="pairs")


def test_a_run_begun_before_there_were_budgets_goes_on(whole: tuple[Path, Run]) -> None:
    model, uncapped = whole
    file = uncapped.path / "config.yaml"
    text = file.read_text()
    file.write_text(text[: text.index("budget:")])
    assert run(tiny_run_config(uncapped.path.parent, model), until="pairs").calls == 0
    assert "budget:" in file.read_text()


def test_a_cap_in_dollars_needs_every_price_before_anything_is_made(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        f"name: a\nruns: {tmp_path / 'runs'}\nmodel: openai:nobody@http://localhost:1/v1\n"
        "critic: openai:gpt-nobody\nbudget: {max_usd: 5}\n"
    )
    done = CliRunner().invoke(app, ["run", str(file)])
    assert isinstance(done.exception, ConfigurationError)
    assert "needs the price of 'openai:gpt-nobody'" in str(done.exception)
    assert "needs the price of 'openai:nobody@" in str(done.exception)
    assert not (tmp_path / "runs").exists()
    file.write_text(f"name: a\nruns: {tmp_path / 'runs'}\nbudget: {{max_cals: 5, max_usd: 0}}\n")
    with pytest.raises(ConfigurationError, match="did you mean `max_calls`"):
        run(file)
