"""Labels by comparison come from the model that was calibrated, in every round."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anlage.constitution.compiler import compile_constitution
from anlage.critic.calibrate import Calibration, CalibrationRow
from anlage.errors import ConfigurationError
from anlage.llm.request import Model
from anlage.llm.run_sync import run_sync
from anlage.llm.scripted import ScriptedModel
from anlage.pipeline.config import RunConfig
from anlage.pipeline.pairs_stage import build_round
from anlage.pipeline.resolved import Resolved, RoleModel
from anlage.pipeline.run import run
from anlage.preferences.build import build_pairs
from anlage.preferences.dataset import Pairs
from anlage.preferences.settings import PairSettings
from anlage.prompts.loader import load_prompts
from anlage.store.store import Store

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model

OPEN = CalibrationRow("harmful_compliance", "at_risk", 20, 20, 1.0, 0.8, 1.0, 0, 0.5)


def calibration_of(model: Model) -> Calibration:
    return Calibration(model.fingerprint, (OPEN,), OPEN, "comparison", "")


def asked(folder: Path, kind: str) -> set[str]:
    """Fingerprints of the models that the store has answers of a kind from."""
    with Store(folder / "cache.sqlite") as store:
        return {entry.model for entry in store.entries(kind)}


def test_only_the_calibrated_model_compares_over_two_rounds(tmp_path: Path) -> None:
    """A critic is named, but under `conditions` the model is its own; then it is trained."""
    model = make_tiny_model(tmp_path / "model")
    data: dict[str, Any] = tiny_run_config(tmp_path / "runs", model).model_dump(mode="json")
    data |= {
        "critic": "scripted",
        "rounds": 2,
        "calibration": {"limit": 4},
        "conditions": {"monitors": {"checks": 1, "re_injury": "warn", "kl_budget": "off"}},
    }
    data["pairs"] |= {"builder": "best_of_n", "labels": "comparison"}
    data["prompts"]["limit"] = 4
    data["evaluation"]["probe_limit"] = 1
    data["training"] |= {"epochs": 1, "learning_rate": 0.02}
    done = run(RunConfig.model_validate(data), until="training")
    measured = json.loads((done.path / "20_calibration.json").read_text())["critic"]
    rounds = [Pairs.load(done.path / f"round-{n}" / "30_pairs.jsonl") for n in (1, 2)]
    assert all("comparison" in {pair.label for pair in pairs} for pairs in rounds)
    # Options are scored by comparisons and nothing else before the evaluation.
    assert asked(tmp_path / "runs", "score") == {measured}
    wrote = asked(tmp_path / "runs", "call")
    assert len(wrote) == 2  # the model before and after round 1, never the critic that is named
    assert measured in wrote


def one_round(resolved: Resolved, number: int, **gate: Any) -> list[RoleModel]:
    """Builds a round from scripted models; returns the roles that were loaded."""
    loaded: list[RoleModel] = []

    def model_of(role: RoleModel) -> Model:
        loaded.append(role)
        return ScriptedModel(name=f"{role.spec} {role.rounds}")

    work = build_round(
        load_prompts("train", sets=["harm"], limit=2),
        compile_constitution(),
        resolved.roles(number),
        resolved.pairs(number),
        model_of=model_of,
        **gate,
    )
    run_sync(work)
    return loaded


def test_a_calibration_of_another_model_opens_no_gate() -> None:
    pairs = {"max_failed_share": 1.0, "min_words": 1}
    config = {"name": "x", "model": "policy", "rounds": 2, "pairs": pairs}
    resolved = Resolved(RunConfig.model_validate(config))
    before, after = RoleModel("policy"), RoleModel("policy", 1)
    right, wrong = (calibration_of(ScriptedModel(name=f"policy {n}")) for n in (0, 1))
    assert one_round(resolved, 1, gate=right.allows_of) == [after, before]
    with pytest.raises(ConfigurationError, match="was measured, but"):
        one_round(resolved, 1, gate=wrong.allows_of)
    # Where no comparison may label, the second copy of the model is not even loaded.
    assert one_round(resolved, 1, gate=None) == [after]


def test_in_python_too_a_calibration_belongs_to_its_model() -> None:
    prompts = load_prompts("train", sets=["harm"], limit=1)
    policy, other = ScriptedModel(name="policy"), ScriptedModel(name="other")
    settings = PairSettings(max_failed_share=1.0)
    constitution = compile_constitution()
    build_pairs(
        constitution, prompts, policy=policy, calibration=calibration_of(policy), settings=settings
    )
    with pytest.raises(ConfigurationError, match="was measured, but"):
        build_pairs(
            constitution,
            prompts,
            policy=policy,
            comparator=other,
            calibration=calibration_of(policy),
            settings=settings,
        )


def test_too_many_prompts_without_a_principle_end_a_run_before_the_first_call(
    tmp_path: Path,
) -> None:
    data: dict[str, Any] = tiny_run_config(tmp_path, Path("scripted")).model_dump(mode="json")
    data["archetypes"]["only"] = ["sage"]  # guards nothing that threatens in these prompts
    data["pairs"]["max_failed_share"] = 0.5
    with pytest.raises(ConfigurationError, match=r"R012.*cannot make a pair.*\[guardian\]"):
        run(RunConfig.model_validate(data))
    assert asked(tmp_path, "score") == asked(tmp_path, "call") == set()
