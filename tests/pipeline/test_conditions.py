"""Conditions as switches, their presets, what they come to, and what the doctor says of layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anlage.pipeline.conditions import Conditions
from anlage.pipeline.config import RunConfig, load_config, resolved_text
from anlage.pipeline.doctor import layer_problems
from anlage.pipeline.layer import LayerConfig
from anlage.pipeline.resolved import Resolved
from anlage.pipeline.unit_data import with_replay
from anlage.preferences.pair import Pair
from anlage.prompts.loader import load_prompts
from anlage.prompts.prompt import Role

from ..helpers.tiny_model import make_tiny_model
from ..helpers.training import make_pairs

ROOT = Path(__file__).parents[2]


def config(**changes: Any) -> RunConfig:
    return RunConfig.model_validate({"name": "x", **changes})


def test_a_run_without_conditions_is_as_before() -> None:
    plain = config()
    resolved = Resolved(plain)
    assert resolved.is_plain
    assert resolved.pairs(0) == plain.pairs
    assert resolved.training() == plain.training
    assert resolved.select_pairs(make_pairs(4)) == make_pairs(4)


def test_one_word_sets_all_three_blocks() -> None:
    deprived = Conditions.model_validate("deprived")
    assert (deprived.data.refresh, deprived.data.twins, deprived.data.diversity) == (
        False,
        False,
        0.25,
    )
    assert (deprived.protection.kl_budget, deprived.protection.reference) == (None, "previous")
    assert (deprived.room.method, deprived.room.rest) == ("full", False)
    assert Conditions.model_validate("healthy") == Conditions()


def test_a_value_given_wins_over_its_preset() -> None:
    mixed = Conditions.model_validate({"data": {"preset": "deprived", "twins": True}})
    assert mixed.data.twins
    assert not mixed.data.refresh
    assert mixed.protection.gates


def test_resolved_conditions_mean_the_same_run(tmp_path: Path) -> None:
    first = config(conditions={"data": "deprived", "monitors": {"stall": "stop"}}, rounds=2)
    file = tmp_path / "config.yaml"
    file.write_text(resolved_text(first))
    assert load_config(file) == first


def test_without_gates_monitors_only_warn() -> None:
    watched = Conditions.model_validate({"protection": {"gates": False}}).watched
    assert {watched.re_injury.policy, watched.not_finite.policy, watched.dead_rate.policy} == {
        "warn"
    }


def test_the_kl_budget_is_the_protections() -> None:
    assert (
        Conditions.model_validate({"protection": {"kl_budget": 0.3}}).watched.kl_budget.budget
        == 0.3
    )
    assert Conditions.model_validate("deprived").watched.kl_budget.policy == "off"


def pairs() -> list[Pair]:
    found = []
    for number, pair in enumerate(make_pairs(8)):
        words = " ".join(f"w{number}x{place}" for place in range(8))
        role: Role = "at_risk" if number % 2 else "twin"
        found.append(replace(pair, prompt_id=f"p-{number // 2}-{role[0]}", role=role, chosen=words))
    return found


def test_each_switch_of_the_data_does_what_it_says() -> None:
    def left(**data: Any) -> list[Pair]:
        return Resolved(config(conditions={"data": data})).select_pairs(pairs())

    assert len(left()) == 8
    assert {pair.role for pair in left(twins=False)} == {"at_risk"}
    known = {prompt.id: prompt for prompt in load_prompts("train", limit=4)}
    asked = [replace(p, prompt_id=i) for p, i in zip(pairs(), known, strict=True)]
    few = Resolved(config(conditions={"data": {"diversity": 0.25}})).select_pairs(asked)
    assert len(few) == 8
    first, second = {pair.prompt_id for pair in few}  # one prompt and its twin
    assert known[first].twin == second
    same = [replace(pair, chosen="the very same answer to everything") for pair in pairs()]
    assert len(Resolved(config(conditions="healthy")).select_pairs(same)) == 2  # one of each role
    assert len(Resolved(config(conditions={"data": {"dedup": False}})).select_pairs(same)) == 8


def test_each_switch_of_protection_and_room_does_what_it_says() -> None:
    deprived = config(conditions="deprived")
    resolved = Resolved(deprived)
    assert resolved.pairs(0).max_failed_share == 1.0
    assert resolved.pairs(0).revision_context == "prompt"
    training = resolved.training()
    assert training.method == "full"
    assert training.learning_rate == pytest.approx(4 * 0.02 * deprived.training.learning_rate)
    taught = config(critic="scripted", conditions={"room": {"critique": "teacher"}})
    assert Resolved(taught).roles(0).critic.spec == "scripted"
    healthy = Resolved(config(critic="scripted", conditions="healthy"))
    assert healthy.roles(0).critic.spec == taught.model
    with pytest.raises(ValueError, match="no `critic` is named"):
        config(conditions={"room": {"critique": "teacher"}})


def test_rounds_draft_anew() -> None:
    assert Resolved(config(rounds=2)).pairs(1).round == 1


def test_a_layers_rate_is_lowered_with_what_monitors_ordered() -> None:
    layer = LayerConfig(name="a", kind="dpo", learning_rate=1e-3, epochs=3)
    training = Resolved(config()).training(layer, carry=0.5)
    assert training.learning_rate == pytest.approx(5e-4)
    assert training.epochs == 3


def test_a_replay_adds_the_share_it_names() -> None:
    own, pool = list(range(60)), list(range(100, 200))
    mixed = with_replay(own, pool, 0.25, seed=1)
    assert mixed[:60] == own
    assert len(mixed) == 80
    assert set(mixed[60:]) <= set(pool)
    assert with_replay(own, [], 0.25, seed=1) == own


def test_the_two_orders_differ_in_order_only() -> None:
    first, second = (
        load_config(ROOT / "examples" / f"layered-{name}.yaml") for name in ("v3", "v7")
    )
    assert first.layers is not None
    assert second.layers is not None
    assert [layer.name for layer in first.layers[:2]] == ["shadow", "integration"]
    assert [layer.name for layer in second.layers[3:5]] == ["shadow", "integration"]
    key = [layer.name for layer in first.layers]
    order = sorted(second.layers, key=lambda layer: key.index(layer.name))
    assert tuple(order) == first.layers
    assert first == second.model_copy(update={"name": first.name, "layers": first.layers})


@pytest.mark.parametrize(
    ("layer", "code", "message"),
    [
        ({"learning_rate": 1e-9}, "T002", "nothing changes"),
        (
            {"limit": 2, "epochs": 1},
            "T001",
            "the whole training is 1 step long",
        ),
        (
            {"themes": ["shadwo"]},
            "N002",
            "no lesson has theme 'shadwo'. Fix: did you mean `shadow`",
        ),
    ],
)
def test_the_doctor_looks_at_every_layer(
    layer: dict[str, Any], code: str, message: str, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(make_tiny_model(tmp_path)))
    data = {"name": "arcs", "kind": "sft", "data": "arcs", **layer}
    sound = {"name": "good", "kind": "sft", "data": "questions"}
    made = config(layers=[sound, data], training={"max_length": 1024})
    (problem,) = layer_problems(Resolved(made), [], tokenizer, built=False)
    assert problem.code == code
    assert problem.file == "layer arcs"
    assert message in problem.message
