"""The shards of a data generation ask exactly what the run asks that comes after them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anlage.errors import BudgetError
from anlage.pipeline.config import RunConfig
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import run
from anlage.pipeline.spending import read_spending
from anlage.store.store import Store
from anlage.study.queues.ray_tasks import build_shard, measure_run

from ...helpers.run import tiny_run_config
from ...helpers.tiny_model import make_tiny_model

SHARDS = 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def config_in(folder: Path, **changes: Any) -> RunConfig:
    """A run whose policy is scripted: its answers do not depend on what is asked together."""
    plain = tiny_run_config(folder, Path("scripted")).model_dump(mode="json")
    plain["calibration"] = {"limit": 4}
    return RunConfig.model_validate({**plain, **changes})


def keys(store: Store) -> set[tuple[str, str]]:
    return {(entry.kind, entry.key) for entry in store.entries()}


@pytest.mark.parametrize("case", ["plain", "no critique", "its own critic", "comparator"])
def test_the_run_finds_every_call_of_its_shards(case: str, tmp_path: Path, model: Path) -> None:
    cases: dict[str, dict[str, Any]] = {
        "plain": {},
        "no critique": {"conditions": {"room": {"critique": "none"}}},
        "its own critic": {"critic": str(model), "conditions": "healthy"},
        "comparator": {"comparator": str(model)},
    }
    changes = cases[case]
    if case == "comparator":
        pairs = config_in(tmp_path).pairs.model_dump(mode="json")
        changes["pairs"] = {**pairs, "labels": "comparison"}
    whole = config_in(tmp_path / "whole", **changes)
    run(whole, until="pairs")
    with Store(tmp_path / "whole" / "cache.sqlite") as store:
        wanted = keys(store)

    resolved = Resolved(config_in(tmp_path / "parts", **changes))
    with Store(tmp_path / "parts" / "cache.sqlite") as store:
        calibration = measure_run(resolved, store)
        calls = [build_shard(resolved, store, calibration, n, SHARDS) for n in range(SHARDS)]
        assert all(calls)
        assert keys(store) == wanted
    assert read_spending(resolved.folder / "spending.jsonl").calls > sum(calls)
    assert run(config_in(tmp_path / "parts", **changes), until="pairs").calls == 0


def test_a_shard_keeps_to_the_budget(tmp_path: Path) -> None:
    resolved = Resolved(config_in(tmp_path, budget={"max_calls": 40}))
    with Store(tmp_path / "cache.sqlite") as store:
        calibration = measure_run(resolved, store)
        with pytest.raises(BudgetError):
            build_shard(resolved, store, calibration, 0, 1)
