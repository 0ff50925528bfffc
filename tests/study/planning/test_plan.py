"""The plan of a study asks the estimate of its runs, and so holds what they really ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from anlage.pipeline.estimate import estimate
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import run as run_config
from anlage.pipeline.spending import read_spending
from anlage.study.design import design
from anlage.study.planning.plan import CostCounter, make_plan

from ...helpers.study import write_study
from ...helpers.tiny_model import make_tiny_model


def test_a_plan_holds_what_its_runs_ask(tmp_path: Path) -> None:
    """Comparisons everywhere ask more than a fixed number of calls per prompt."""
    model = make_tiny_model(tmp_path / "model")
    settings = {"pairs.labels": "comparison", "pairs.max_failed_share": 1.0}
    file = write_study(
        tmp_path, model, seeds=[0], arms={"weak": {"training.beta": 0.5}}, set=settings
    )
    planned = make_plan(design(file))
    (run,) = [run for run in planned.design.runs if run.arm == "weak"]
    high = estimate(Resolved(run.config)).high
    cost = CostCounter().cost(run.config)
    parts = (cost.calibration, cost.pairs, cost.later, cost.base, cost.trained)
    assert sum(part.calls for part in parts) == high.calls
    assert sum(part.tokens for part in parts) == pytest.approx(high.tokens, rel=0.05)

    assert high.calls <= planned.calls

    done = run_config(run.config, until="pairs")
    asked = read_spending(done.path / "spending.jsonl").calls
    assert 0 < asked <= cost.calibration.calls + cost.pairs.calls


def test_a_price_that_is_not_known_is_no_price(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    file = write_study(tmp_path, tmp_path / "x", seeds=[0], set={"critic": "openai:nobody-knows"})
    assert make_plan(design(file)).usd is None
    free = write_study(tmp_path / "free", tmp_path / "x", seeds=[0])
    assert make_plan(design(free)).usd == 0
