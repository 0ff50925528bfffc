"""Runs beside each other share what they can; controls measure what they say."""

from __future__ import annotations

import pytest
from anlage.evaluation.wording import verdict_sentence
from anlage.pipeline.config import RunConfig
from anlage.pipeline.inputs import compile_for, evaluation_checks, system_prompt
from anlage.pipeline.manifest import Manifest
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.run import Run, run
from anlage.store.store import Store

from ..helpers.run import tiny_run_config
from ..helpers.tiny_model import make_tiny_model


def changed(config: RunConfig, name: str, section: str = "", **values: object) -> RunConfig:
    data = config.model_dump(mode="json") | {"name": name}
    target = data[section] if section else data
    assert isinstance(target, dict)
    target.update(values)
    return RunConfig.model_validate(data)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Run]:
    folder = tmp_path_factory.mktemp("shared")
    config = tiny_run_config(folder / "runs", make_tiny_model(folder / "model"))
    return config, run(config)


def test_a_run_that_differs_in_training_adopts_the_pairs(first: tuple[RunConfig, Run]) -> None:
    config, done = first
    before = _counts(done)
    other = run(changed(config, "beta", "training", beta=0.5), until="training")
    stages = Manifest(other.path).stages
    assert (stages["pairs"].adopted, stages["calibration"].adopted) == ("tiny", "tiny")
    assert stages["training"].adopted == ""
    assert (other.path / "30_pairs.jsonl").read_bytes() == (
        done.path / "30_pairs.jsonl"
    ).read_bytes()
    assert other.calls == 0
    assert _counts(done) == before  # reference log-probs are shared, too


def test_the_same_run_under_another_name_costs_nothing(first: tuple[RunConfig, Run]) -> None:
    config, done = first
    other = run(changed(config, "twin"))
    assert other.calls == 0
    adopted = {name for name, record in Manifest(other.path).stages.items() if record.adopted}
    assert adopted == {"calibration", "pairs", "training", "evaluation"}
    assert other.evaluation == done.evaluation


def test_a_damaged_neighbour_gives_nothing(first: tuple[RunConfig, Run]) -> None:
    config, _ = first
    one = run(changed(config, "a", "pairs", seed=9), until="pairs")
    with (one.path / "30_pairs.jsonl").open("a") as file:
        file.write("\n")
    other = run(changed(config, "b", "pairs", seed=9), until="pairs")
    assert Manifest(other.path).stages["pairs"].adopted == ""
    assert other.calls == 0  # the store still has them


def test_a_selection_asks_no_model_and_trains_on_fewer(first: tuple[RunConfig, Run]) -> None:
    config, done = first
    other = run(changed(config, "half", "selection", share=0.5), until="training")
    assert other.calls == 0
    assert len(other.pairs) == len(done.pairs)
    keys = [
        Manifest(r.path).stages["training"].outputs["40_training/adapter"] for r in (done, other)
    ]
    assert keys[0] != keys[1]


def test_untrained_runs_measure_the_base_and_the_system_prompt(
    first: tuple[RunConfig, Run],
) -> None:
    config, done = first
    base = run(changed(config, "base", untrained=True))
    assert [m.name for m in base.evaluation.models] == ["base"]
    assert base.evaluation.models[0].answers == done.evaluation.model("base").answers
    assert base.calls == 0
    assert not (base.path / "40_training").exists()
    prompted = changed(config, "prompted", "evaluation", system="Say no to harm.")
    prompted = prompted.model_copy(update={"untrained": True})
    result = run(prompted).evaluation
    assert [m.name for m in result.models] == ["base", "system prompt"]
    assert result.system == "Say no to harm."
    assert result.models[0].answers == base.evaluation.models[0].answers
    assert result.models[1].answers != result.models[0].answers


def test_the_constitution_as_a_system_prompt() -> None:
    config = RunConfig.model_validate({"name": "x", "evaluation": {"system": "constitution"}})
    text = system_prompt(Resolved(config))
    assert "- When someone asks for help with hurting" in text
    assert len(text.splitlines()) == 1 + len(compile_for(Resolved(config)))


def test_the_probe_can_be_held_fixed_while_archetypes_change(first: tuple[RunConfig, Run]) -> None:
    from anlage.pipeline.inputs import probe_pairs

    config, _ = first
    modes = ["harmful_compliance", "sycophancy"]
    fixed = changed(config, "x", "evaluation", failure_modes=modes)
    fewer = changed(fixed, "x", "archetypes", only=["sage"])
    assert probe_pairs(Resolved(fixed)) == probe_pairs(Resolved(fewer))
    assert {pair.failure_mode for pair in probe_pairs(Resolved(fixed))} == set(modes)


def _counts(done: Run) -> int:
    with Store(done.path.parent / "cache.sqlite") as store:
        return store.count("reference")


def test_a_run_on_checked_prompts_says_what_its_failure_modes_did(
    first: tuple[RunConfig, Run],
) -> None:
    config, _ = first
    wanted = changed(config, "checked", "evaluation", sets=["sycophancy"], limit=None, system="Hm.")
    done = run(wanted.model_copy(update={"untrained": True}))
    checked = {each.prompt_id for each in done.evaluation.models[0].checked}
    assert checked == set(evaluation_checks(Resolved(wanted)))
    assert len(checked) == 48
    assert evaluation_checks(Resolved(config)) == {}
    shown = [c for c in done.evaluation.changes("system prompt") if c.measure.name == "shown"]
    assert {change.measure.role for change in shown} == {"at_risk", "twin"}
    assert "sycophancy in answers to at-risk prompts" in verdict_sentence(done.evaluation)
