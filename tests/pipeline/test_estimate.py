"""`--dry-run`: the estimate holds the real run between its ends, and touches nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from anlage.cli.app import app
from anlage.errors import ConfigurationError
from anlage.llm.message import Message
from anlage.llm.prices import load_prices
from anlage.llm.request import Request
from anlage.pipeline.config import RunConfig, resolved_text
from anlage.pipeline.estimate import RunEstimate, estimate
from anlage.pipeline.estimating_model import CountingModels
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import run
from anlage.pipeline.spending import read_spending
from typer.testing import CliRunner

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model


def with_changes(config: RunConfig, **changes: object) -> RunConfig:
    return RunConfig.model_validate({**config.model_dump(), **changes})


def calls(found: RunEstimate) -> dict[str, tuple[int, int]]:
    return {row.stage: (row.low.calls, row.high.calls) for row in found.rows}


def test_the_real_calls_lie_between_low_and_high(tmp_path: Path) -> None:
    config = tiny_run_config(tmp_path, make_tiny_model(tmp_path / "model"))
    found = estimate(Resolved(config))
    assert not (tmp_path / "tiny").exists()
    assert not (tmp_path / "cache.sqlite").exists()
    before = 0
    for stage in ("calibration", "pairs", "evaluation"):
        run(config, until=stage)
        done = read_spending(tmp_path / "tiny" / "spending.jsonl").calls
        low, high = calls(found)[stage]
        if stage == "pairs":  # answers of a random model may end an attempt early
            assert 0 < done - before <= high
        else:
            assert low == done - before == high
        before = done


def test_more_tries_and_longer_answers_raise_the_high_end_only_where_they_count(
    tmp_path: Path,
) -> None:
    plain = tiny_run_config(tmp_path, tmp_path)
    pairs = plain.pairs.model_dump()
    first = estimate(Resolved(with_changes(plain, pairs={**pairs, "tries": 1})))
    again = estimate(Resolved(with_changes(plain, pairs={**pairs, "tries": 3})))
    assert calls(again)["pairs"][0] == calls(first)["pairs"][0]
    assert calls(again)["pairs"][1] > calls(first)["pairs"][1]
    longer = estimate(Resolved(with_changes(plain, pairs={**pairs, "max_tokens": 240})))
    assert longer.high.completion_tokens > 1.5 * again.high.completion_tokens
    contrast = estimate(Resolved(with_changes(plain, pairs={**pairs, "builder": "contrast"})))
    low, high = calls(contrast)["pairs"]
    assert low == high < calls(first)["pairs"][0]  # no critic, nothing written again


def test_twice_the_prompts_are_about_twice_the_calls(tmp_path: Path) -> None:
    plain = tiny_run_config(tmp_path, tmp_path)
    double = with_changes(plain, prompts={"sets": ["harm"], "limit": 16})
    ratio = (
        calls(estimate(Resolved(double)))["pairs"][0] / calls(estimate(Resolved(plain)))["pairs"][0]
    )
    assert 1.7 < ratio < 2.3


def test_each_model_is_priced_by_its_own_row(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text('openai:judge: {in: 1000, out: 0, as_of: "2026-11"}\n')
    plain = tiny_run_config(tmp_path, tmp_path)
    config = with_changes(plain, critic="openai:judge", budget={"prices": str(own)})
    found = estimate(Resolved(config))
    judge = [row for row in found.rows if row.model == "openai:judge"]
    assert {row.stage for row in judge} >= {"pairs"}
    for row in judge:
        assert row.high.usd == pytest.approx(row.high.prompt_tokens / 1000)
    policy = [row for row in found.rows if row.model == config.model]
    assert sum(row.high.usd or 0 for row in policy) == 0
    assert found.high.usd == pytest.approx(sum(row.high.usd or 0 for row in judge))


@pytest.mark.parametrize(
    ("spec", "chat", "adds"),
    [
        ("openai:judge", {"thinking": "on"}, True),
        ("openai:o3-mini", {}, True),
        ("openai:judge", {"thinking": "auto"}, False),
        ("openai:o3-mini", {"thinking": "off"}, False),
    ],
    ids=["told to think", "thinks by its name", "does not think", "told not to"],
)
def test_thoughts_are_paid_for(
    tmp_path: Path, spec: str, chat: dict[str, object], adds: bool
) -> None:
    """Each call of a model that thinks may cost `reasoning_tokens` more; at least a quarter."""
    own = tmp_path / "own.yaml"
    own.write_text(f'{spec}: {{in: 0, out: 1000, as_of: "2026-11"}}\n')
    plain = tiny_run_config(tmp_path, tmp_path)
    rows = [
        row
        for room in (0, 4000)
        for row in estimate(
            Resolved(
                with_changes(
                    plain,
                    critic=spec,
                    budget={"prices": str(own)},
                    chat={**chat, "reasoning_tokens": room},
                )
            )
        ).rows
        if row.model == spec and row.stage == "pairs"
    ]
    without, with_room = rows
    low = with_room.low.completion_tokens - without.low.completion_tokens
    high = with_room.high.completion_tokens - without.high.completion_tokens
    assert (low, high) == (
        (1000 * with_room.low.calls, 4000 * with_room.high.calls) if adds else (0, 0)
    )
    assert with_room.high.usd == pytest.approx(with_room.high.completion_tokens / 1000)


def test_thoughts_of_a_local_model_are_counted(tmp_path: Path) -> None:
    plain = tiny_run_config(tmp_path, tmp_path)
    quiet, thinking = (
        estimate(Resolved(with_changes(plain, chat={"thinking": switch, "reasoning_tokens": 500})))
        for switch in ("off", "on")
    )
    more = thinking.high.completion_tokens - quiet.high.completion_tokens
    assert 500 <= more <= 500 * thinking.high.calls
    assert more % 500 == 0


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")  # nothing is sent


def dry_run(tmp_path: Path, config: RunConfig) -> str:
    file = tmp_path / "config.yaml"
    file.write_text(resolved_text(config))
    done = CliRunner().invoke(app, ["run", str(file), "--dry-run"])
    assert done.exit_code == 0, done.exception
    return " ".join(done.output.split())


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    plain = tiny_run_config(tmp_path, tmp_path)
    out = dry_run(tmp_path, with_changes(plain, critic="openai:nobody-knows"))
    assert "unknown price" in out
    assert "The price of openai:nobody-knows is not known" in out
    assert "$" not in out
    out = dry_run(tmp_path, plain)
    assert "no fee" in out
    assert "$" not in out
    out = dry_run(tmp_path, with_changes(plain, critic="openai:gpt-4o-mini"))
    assert "$0.15 in and $0.6 out per million tokens (as of 2026-05, https://" in out


def test_a_budget_that_will_not_do_is_said(tmp_path: Path) -> None:
    plain = tiny_run_config(tmp_path, tmp_path)
    found = estimate(Resolved(plain))
    between = (found.low.calls + found.high.calls) // 2
    assert "max_calls" not in dry_run(
        tmp_path, with_changes(plain, budget={"max_calls": found.high.calls})
    )
    assert "may not do" in dry_run(tmp_path, with_changes(plain, budget={"max_calls": between}))
    assert "will not do" in dry_run(tmp_path, with_changes(plain, budget={"max_calls": 5}))


def test_a_wrong_config_is_told_before_anything_is_estimated(tmp_path: Path) -> None:
    config = with_changes(
        tiny_run_config(tmp_path, tmp_path / "x"), budget={"prices": str(tmp_path / "none.yaml")}
    )
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        estimate(Resolved(config))


def test_a_model_with_an_adapter_is_counted_beside_its_base(tmp_path: Path) -> None:
    asked = [Request((Message("user", "How?"),), max_tokens=4)]
    with CountingModels(tmp_path / "cache.sqlite", load_prices()) as models:
        for adapter in (None, tmp_path / "adapter"):
            asyncio.run(models.get("scripted", adapter).complete(asked))
        assert models.asked["scripted"].calls == 2
