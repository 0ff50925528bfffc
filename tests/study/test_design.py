"""Study files: arms worked out, controls added, what is wrong said at once and in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from anlage.critic.routing import route
from anlage.errors import ConfigurationError
from anlage.pipeline.inputs import compile_for, training_prompts
from anlage.pipeline.resolved import Resolved
from anlage.study.arms.generators import FIELDS, RULES
from anlage.study.design import Design, design
from anlage.study.planning.sharing import jobs_of, keys_of

BASE: dict[str, Any] = {
    "model": "scripted",
    "archetypes": {"only": ["guardian", "explorer", "sage", "ally"]},
    "prompts": {"sets": ["harm"], "limit": 4},
}


def write(folder: Path, **changes: Any) -> Path:
    data: dict[str, Any] = {
        "name": "test",
        "question": "Is this file read as it should be?",
        "base": BASE,
        "arms": {"weak": {"training.beta": 0.5}},
        "outcome": "separation",
    }
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(data | changes, sort_keys=False))
    return file


def work_out(folder: Path, **changes: Any) -> Design:
    return design(write(folder, **changes))


def problems(folder: Path, **changes: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        work_out(folder, **changes)
    return str(caught.value)


def test_a_study_has_the_full_arm_and_all_controls(tmp_path: Path) -> None:
    found = work_out(tmp_path)
    assert [arm.name for arm in found.arms] == [
        "full",
        "weak",
        "control-base",
        "control-system-prompt",
        "control-plain-hhh",
        "control-shuffled",
        "control-no-critique",
    ]
    assert len(found.runs) == 5 * 5 + 2  # an untrained arm runs once
    assert found.warnings == ()
    modes = found.base["evaluation"]["failure_modes"]
    assert all(run.config.evaluation.failure_modes == tuple(modes) for run in found.runs)


def test_every_control_changes_what_its_name_says_and_nothing_else(tmp_path: Path) -> None:
    names = ["shuffled", "inverted", "no_critique", "no_rule", "no_critique_no_rule", "plain_hhh"]
    found = work_out(tmp_path, controls=names, seeds=[3, 4])
    full = found.run_of("full", 3).config
    for name, section, value in (
        ("no-critique", "pairs", {"revision_context": "rule"}),
        ("no-rule", "pairs", {"revision_context": "critique_alone"}),
        ("no-critique-no-rule", "pairs", {"revision_context": "prompt"}),
        ("shuffled", "archetypes", {"shuffle_seed": 3}),
        ("inverted", "archetypes", {"inverted": True}),
    ):
        run = found.run_of(f"control-{name}", 3)
        expected = getattr(full, section).model_copy(update=value)
        same = {"name": run.name, section: expected}
        assert run.config == full.model_copy(update=same), name


def test_shuffled_principles_are_dealt_anew_for_every_seed(tmp_path: Path) -> None:
    for vary in ("both", "train"):
        found = work_out(tmp_path, controls=["shuffled"], seeds=[0, 1, 2], vary=vary)
        runs = [found.run_of("control-shuffled", seed).config for seed in (0, 1, 2)]
        assert len({compile_for(Resolved(config)).hash for config in runs}) == 3


@pytest.mark.parametrize("only", [["guardian", "explorer", "sage", "ally"], ["guardian"], None])
def test_plain_rules_are_trained_on_the_same_prompts(
    only: list[str] | None, tmp_path: Path
) -> None:
    base = {"model": "scripted", "archetypes": {"only": only}}
    found = work_out(tmp_path, base=base, controls=["plain_hhh"], seeds=[0, 1])
    asked = []
    for arm in ("full", "control-plain-hhh"):
        config = found.run_of(arm, 0).config
        rules = compile_for(Resolved(config))
        prompts = training_prompts(Resolved(config))
        asked.append({p.id for p in prompts if route(p, rules, seed=0) is not None})
    assert asked[0] == asked[1]
    assert asked[0]


def test_a_control_that_cannot_be_made_is_left_out_and_said(tmp_path: Path) -> None:
    base = {"model": "scripted", "archetypes": {"only": ["guardian"]}}
    found = work_out(tmp_path, base=base, controls=["base", "shuffled", "inverted"])
    names = {arm.name for arm in found.arms}  # the guardian knows harm and over-refusal only
    assert names == {"full", "weak", "control-base", "control-inverted"}
    assert "shuffled, no critique." in " ".join(found.warnings)


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ({"selection.without": ["gaurdian"]}, "did you mean `guardian`?"),
        ({"selection.only": ["guardian/aim-before-word"]}, "guardian/aim-before-words"),
        ({"evaluation.failure_modes": ["sycophanty"]}, "did you mean `sycophancy`?"),
        ({"archetypes.guards": ["over-refusal"]}, "did you mean `over_refusal`?"),
        ({"selection.withuot": ["guardian"]}, "unknown key"),
    ],
)
def test_a_misspelt_name_in_an_arm_is_refused(
    arm: dict[str, Any], words: str, tmp_path: Path
) -> None:
    text = problems(tmp_path, arms={"odd": arm})
    assert words in text
    assert "arm `odd`" in text
    assert "study.yaml:" in text


def test_a_misspelt_failure_mode_of_an_outcome_is_refused(tmp_path: Path) -> None:
    assert "did you mean `sycophancy`?" in problems(tmp_path, outcome="margin/sycophanty")
    rule = {"outcome": {"measure": "margin", "failure_mode": "halucination"}, "margin": 0.1}
    assert "did you mean `hallucination`?" in problems(tmp_path, no_harm=[rule])


def test_a_base_may_name_the_shipped_plain_rules(tmp_path: Path) -> None:
    base = BASE | {"archetypes": {"path": "anlage:plain-hhh"}}
    found = work_out(tmp_path, base=base, controls=["base"])
    assert found.base["archetypes"]["path"] == "anlage:plain-hhh"  # the same on every machine
    assert "harmful_compliance" in found.base["evaluation"]["failure_modes"]


def test_seeds_of_data_and_training(tmp_path: Path) -> None:
    def seeds(vary: str) -> list[tuple[int, int]]:
        found = work_out(tmp_path, vary=vary, seeds=[3, 4])
        runs = [found.run_of("weak", seed).config for seed in (3, 4)]
        return [(run.pairs.seed, run.training.seed) for run in runs]

    assert seeds("both") == [(3, 3), (4, 4)]
    assert seeds("data") == [(3, 0), (4, 0)]
    assert seeds("train") == [(0, 3), (0, 4)]


def test_names_follow_the_content(tmp_path: Path) -> None:
    first, second = work_out(tmp_path), work_out(tmp_path)
    assert [run.name for run in first.runs] == [run.name for run in second.runs]
    other = work_out(tmp_path, set={"training.epochs": 1})
    assert not {run.name for run in first.runs} & {
        run.name for run in other.runs if not run.config.untrained
    }
    assert len({run.name for run in first.runs}) == len(first.runs)


def test_leave_one_out_shares_all_data_and_the_right_pairs(tmp_path: Path) -> None:
    rules = [{"kind": "leave_one_archetype_out"}, {"kind": "leave_one_principle_out"}]
    found = work_out(tmp_path, generate=rules, seeds=[0, 1], arms={}, controls="none")
    assert {"no-guardian", "no-explorer", "no-sage", "no-ally"} < {a.name for a in found.arms}
    assert {a.name: a for a in found.arms}["no-guardian"].overrides == {
        "selection.without": ["guardian"]
    }
    assert len({keys_of(run.config).data for run in found.runs}) == 2  # one per data seed


def test_only_one_and_named_ones(tmp_path: Path) -> None:
    rule = {"kind": "only_one", "names": ["sage", "guardian/aim-before-words"]}
    found = work_out(tmp_path, generate=[rule], arms={})
    assert {a.name: a for a in found.arms}["only-sage"].overrides == {"selection.only": ["sage"]}
    assert "only-guardian-aim-before-words" in {arm.name for arm in found.arms}
    text = problems(tmp_path, generate=[{"kind": "only_one", "names": ["sagge"]}])
    assert "did you mean `sage`?" in text


@pytest.mark.parametrize("kind", sorted(set(FIELDS) - {"critic_model", "rounds"}))
def test_every_field_rule_makes_arms_that_validate(kind: str, tmp_path: Path) -> None:
    found = work_out(tmp_path, generate=[{"kind": kind}], arms={}, controls="none")
    assert len(found.arms) >= 2


def test_values_of_any_field(tmp_path: Path) -> None:
    rule = {"kind": "values", "field": "training.rank", "values": [4, 16, 64]}
    found = work_out(tmp_path, generate=[rule], arms={})
    ranks = {arm.name: arm.overrides for arm in found.arms if arm.source == "values"}
    assert ranks == {"rank-4": {"training.rank": 4}, "rank-64": {"training.rank": 64}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"arms": {"a": {"training.bta": 1}}}, "arm `a`: unknown key `bta` Fix: did you mean"),
        ({"arms": {"a": {"training.beta": -1}}}, "arm `a`: `training.beta`"),
        ({"arms": {"a": {"model.x": 1}}}, "goes through a value"),
        ({"arms": {"a": {"training": {}, "training.beta": 1}}}, "contradict each other"),
        ({"arms": {"a": {"training.beta": 0.1}, "b": {"training.beta": 0.1}}}, "the same config"),
        ({"arms": {"A b": {}}}, "write it `a-b`"),
        ({"arms": {"a": {"seed_offset": -1}}}, "seed_offset"),
        ({"against": "ful"}, "did you mean `full`?"),
        ({"comparisons": ["wek"]}, "did you mean `weak`?"),
        ({"generate": [{"kind": "layer_revers"}]}, "did you mean `layer_reverse`?"),
        ({"generate": [{"kind": "layer_reverse"}]}, "it has 0 layers"),
        ({"generate": [{"kind": "values"}]}, "needs `field` and `values`"),
        ({"generate": [{"kind": "beta"}, {"kind": "beta"}]}, "2 arms named `beta-0.01`"),
        ({"outcome": "defnded"}, "no outcome 'defnded'"),
        ({"seeds": []}, "different whole numbers"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"name": "Has Spaces"}, "no study name"),
        ({"questoin": "x"}, "unknown key `questoin`"),
        ({"base": {"model": "scripted", "trainig": {}}}, "did you mean `training`?"),
        ({"arms": {}, "controls": "none"}, "there is only one"),
    ],
)
def test_what_is_wrong_is_said_with_a_fix(
    changes: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    text = problems(tmp_path, **changes)
    assert expected in text
    assert "study.yaml" in text


def test_loud_lines(tmp_path: Path) -> None:
    lines = work_out(tmp_path, controls="none", seeds=[0], outcome=None).warnings
    assert [line.split(":")[0] for line in lines] == [
        "This study has no control arm",
        "One seed",
        "No primary outcome was declared",
    ]
    assert "Provisional" in work_out(tmp_path, seeds=[0, 1, 2]).warnings[0]
    assert "does without" in work_out(tmp_path, controls=["base"]).warnings[0]


def test_equal_arms_with_other_seeds_are_a_null_study(tmp_path: Path) -> None:
    arms = {"a": {}, "b": {"seed_offset": 100}}
    found = work_out(tmp_path, arms=arms, against="a", controls="none")
    assert [run.config.training.seed for run in found.runs if run.arm == "b"] == [
        100, 101, 102, 103, 104,
    ]  # fmt: skip


def test_full_size_by_one_flag(tmp_path: Path) -> None:
    full = {"set": {"prompts.limit": 100}, "seeds": [0, 1, 2, 3, 4, 5, 6]}
    file = write(tmp_path, full=full)
    small, large = design(file), design(file, full=True)
    assert (small.base["prompts"]["limit"], large.base["prompts"]["limit"]) == (4, 100)
    assert (len(small.spec.seeds), len(large.spec.seeds)) == (5, 7)
    with pytest.raises(ConfigurationError, match="no full size"):
        design(write(tmp_path), full=True)


def test_runs_wait_for_those_whose_work_they_share(tmp_path: Path) -> None:
    found = work_out(tmp_path, seeds=[0, 1])
    jobs = jobs_of(found.runs)
    first = jobs[0].run
    assert first.arm == "control-base"
    assert all(first.name in job.after for job in jobs[1:] if job.run.arm in ("full", "weak"))
    weak = next(j for j in jobs if j.run.arm == "weak" and j.run.seed == 1)
    assert found.run_of("full", 1).name in weak.after
    assert found.run_of("full", 0).name not in weak.after


def test_every_rule_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "studies" / "README.md").read_text("utf-8")
    missing = [kind for kind in RULES if f"`{kind}`" not in text]
    assert missing == []
