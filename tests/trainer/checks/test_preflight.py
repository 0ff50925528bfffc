"""Every fault the pre-flight checks are for is planted here, and a healthy set is left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from anlage.llm.message import Message
from anlage.preferences.pair import Pair
from anlage.prompts.prompt import Prompt, Role
from anlage.trainer.assembly import load_start
from anlage.trainer.checks.memory_need import memory_need, read_shape
from anlage.trainer.checks.preflight import _ends, preflight
from anlage.trainer.config import TrainConfig
from anlage.trainer.guards import quiet
from anlage.trainer.rows import tokenize
from anlage.trainer.schedule import learning_rates

from ...helpers.tiny_model import make_tiny_model
from ...helpers.tokenizers import TEMPLATES, make_tokenizer, shipped_templates
from ...helpers.training import make_pair, tiny_config

REFUSAL = "I won't help with that, because it would hurt somebody. Please talk to a friend first."
HELP = "Here is a simple way to do it. Start with the door, then look at the windows and the roof."
THINGS = ("ladder", "violin", "bicycle", "teapot", "lantern", "carpet", "mirror", "kettle")
PLACES = ("harbour", "orchard", "station", "library", "bakery", "cellar", "meadow", "theatre")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    with quiet():
        return load_start(str(folder), tiny_config()).tokenizer


def asked(number: int, role: str) -> str:
    aim = "take" if role == "at_risk" else "paint"
    return f"How would one {aim} the {THINGS[number % 8]} at the {PLACES[number // 8]}?"


def healthy(count: int = 32) -> list[Pair]:
    pairs = []
    for number in range(count):
        role = "at_risk" if number % 2 else "twin"
        refuses = role == "at_risk"
        pair = replace(
            make_pair(number),
            prompt=(Message("user", asked(number, role)),),
            chosen=REFUSAL if refuses else HELP,
            rejected=HELP if refuses else REFUSAL,
        )
        risk = replace(pair, role="at_risk", failure_mode="harmful_compliance")
        twin = replace(pair, role="twin", failure_mode="over_refusal")
        pairs.append(risk if refuses else twin)
    return pairs


def healthy_config(**changes: Any) -> TrainConfig:
    return TrainConfig(**changes)


def codes(pairs: list[Pair], tokenizer: Any, config: TrainConfig, **more: Any) -> dict[str, str]:
    return {p.code: p.severity for p in preflight(pairs, tokenizer, config, **more)}


def test_a_healthy_training_is_left_alone(tokenizer: Any) -> None:
    measured = Prompt(
        id="p",
        messages=(Message("user", "What makes the tides come and go twice a day?"),),
        cues=("factual_question",),
        failure_mode="hallucination",
        role="twin",
        twin="q",
        split="dev",
        topic="sea",
        form="question",
    )
    stops = [tokenizer.eos_token_id]
    for changes in ({}, {"epochs": 1}, {"batch_size": 8}, {"scheduler": "linear"}):
        config = healthy_config(**changes)
        assert codes(healthy(), tokenizer, config, evaluation=[measured], stops=stops) == {}


def test_no_pairs(tokenizer: Any) -> None:
    assert codes([], tokenizer, healthy_config()) == {"T001": "error"}


def test_warm_up_that_takes_every_step(tokenizer: Any) -> None:
    config = healthy_config(batch_size=32, epochs=1)
    (problem,) = preflight(healthy(), tokenizer, config)
    assert (problem.code, problem.severity) == ("T001", "error")
    assert "never above 0, because warm-up takes 1 steps" in problem.message
    longer = healthy_config(batch_size=8, epochs=1, warmup_steps=500)
    (problem,) = preflight(healthy(), tokenizer, longer)
    # Four steps: the last runs at 3/500 of 1e-3.
    assert "never above 6e-06, because warm-up takes 500 steps" in problem.message
    assert codes(healthy(), tokenizer, healthy_config(warmup_steps=2)) == {}


def test_a_rate_that_stays_near_zero(tokenizer: Any) -> None:
    assert codes(healthy(), tokenizer, healthy_config(learning_rate=5e-5)) == {"T002": "warning"}
    assert codes(healthy(), tokenizer, healthy_config(learning_rate=1e-7)) == {"T002": "error"}


def test_rates_are_those_of_the_schedule_by_hand() -> None:
    linear = TrainConfig(learning_rate=1.0, scheduler="linear", warmup_ratio=0.2)
    expected = [0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    assert learning_rates(10, linear) == pytest.approx(expected)
    steps = TrainConfig(learning_rate=1.0, scheduler="linear", warmup_steps=2)
    assert learning_rates(10, steps) == pytest.approx(expected)
    constant = TrainConfig(learning_rate=0.5, scheduler="constant")
    assert learning_rates(3, constant) == [0.5, 0.5, 0.5]


def test_an_end_token_the_model_does_not_stop_at(tokenizer: Any) -> None:
    found = preflight(healthy(), tokenizer, healthy_config(), stops=[7])
    assert [(p.code, p.severity) for p in found] == [("T003", "error")]
    assert "[7]" in found[0].message


def test_answers_without_an_end(tokenizer: Any) -> None:
    rows = [dict(row) for row in tokenize(healthy(), tokenizer, 512).rows]
    end = tokenizer.eos_token_id
    assert list(_ends(rows, end)) == []
    rows[3]["chosen_ids"] = rows[3]["chosen_ids"][:-1]
    (problem,) = _ends(rows, end)
    assert problem.code == "T003"
    assert problem.message.startswith("1 answers")


def test_a_template_whose_prompt_is_no_prefix(folder: Path) -> None:
    with quiet():
        other = load_start(str(folder), tiny_config()).tokenizer
    other.chat_template += "{% if messages[-1]['role'] == 'user' %}Think first.{% endif %}"
    assert codes(healthy(), other, healthy_config()) == {"T004": "error"}
    other.chat_template = None
    assert codes(healthy(), other, healthy_config()) == {"T004": "error"}


def test_pairs_that_are_too_long(tokenizer: Any) -> None:
    pairs = healthy()
    for number in range(3):
        pairs[number] = replace(pairs[number], chosen=pairs[number].chosen * 40)
    (problem,) = preflight(pairs, tokenizer, healthy_config())
    assert (problem.code, problem.severity) == ("T005", "warning")
    assert "3 of 32 pairs" in problem.message
    assert codes(healthy(), tokenizer, healthy_config(max_length=8)) == {"T005": "error"}


def test_flipped_orientation(tokenizer: Any) -> None:
    flipped = [replace(p, chosen=p.rejected, rejected=p.chosen) for p in healthy()]
    assert codes(flipped, tokenizer, healthy_config()) == {"T006": "error"}
    some = flipped[:8] + healthy()[8:]
    assert codes(some, tokenizer, healthy_config()) == {"T006": "warning"}


def test_orientation_follows_the_failure_and_not_the_role(tokenizer: Any) -> None:
    """In a set against over-refusal the harmless half is the one at risk."""
    other: dict[str, Role] = {"at_risk": "twin", "twin": "at_risk"}
    pairs = [replace(pair, role=other[pair.role]) for pair in healthy()]
    assert codes(pairs, tokenizer, healthy_config()) == {}


def test_duplicates_and_contradictions(tokenizer: Any) -> None:
    pairs = healthy()
    assert codes([*pairs, pairs[0]], tokenizer, healthy_config()) == {"T007": "warning"}
    against = replace(pairs[0], chosen=pairs[0].rejected, rejected=pairs[0].chosen)
    found = preflight([*pairs, against], tokenizer, healthy_config())
    assert [(p.code, p.severity) for p in found] == [("T007", "error")]
    assert found[0].message.startswith("1 pairs contradict")
    same = replace(pairs[0], rejected=pairs[0].chosen)
    assert codes([*pairs, same], tokenizer, healthy_config()) == {"T007": "error"}


def test_a_prompt_that_is_measured_on(tokenizer: Any) -> None:
    near = Prompt(
        id="dev-1",
        messages=(Message("user", "So how would one paint the ladder at the harbour, please?"),),
        cues=("everyday_task",),
        failure_mode="harmful_compliance",
        role="twin",
        twin="dev-2",
        split="dev",
        topic="ladders",
        form="question",
    )
    found = preflight(healthy(), tokenizer, healthy_config(), evaluation=[near])
    assert [(p.code, p.severity) for p in found] == [("T008", "error")]
    assert "dev-1" in found[0].message


def test_float32_where_bfloat16_is_native(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anlage.trainer.checks.preflight.best_dtype", lambda: torch.float32)
    assert codes(healthy(), tokenizer, healthy_config(dtype="float32")) == {}
    monkeypatch.setattr("anlage.trainer.checks.preflight.best_dtype", lambda: torch.bfloat16)
    assert codes(healthy(), tokenizer, healthy_config(dtype="float32")) == {"T009": "warning"}


def test_memory_grows_with_what_it_should(folder: Path, tokenizer: Any) -> None:
    rows = tokenize(healthy(), tokenizer, 512).rows
    shape = read_shape(folder)
    assert (shape.hidden, shape.layers, shape.vocabulary) == (64, 2, len(tokenizer))
    with quiet():
        loaded = load_start(str(folder), tiny_config()).model
    assert shape.parameters == sum(p.numel() for p in loaded.parameters())
    small = memory_need(shape, rows, tiny_config(batch_size=1))
    large = memory_need(shape, rows, tiny_config(batch_size=4))
    assert large.logits == pytest.approx(4 * small.logits, rel=0.2)
    assert large.weights == small.weights
    full = memory_need(shape, rows, tiny_config(method="full"))
    assert full.trained == 12 * shape.parameters  # gradient and two moments, float32
    saving = memory_need(shape, rows, tiny_config(gradient_checkpointing=True))
    assert saving.activations < memory_need(shape, rows, tiny_config()).activations
    halved = memory_need(shape, rows, tiny_config(method="full"), split=2)
    assert halved.trained == full.trained / 2
    four_bits = memory_need(shape, rows, tiny_config(method="qlora"))
    assert four_bits.weights < small.weights
    assert four_bits.trained == small.trained
    plain = memory_need(shape, rows, tiny_config(share_prompts=False))
    assert plain.activations > memory_need(shape, rows, tiny_config()).activations


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (shipped_templates()["gemma"], ["'<end_of_turn>'", "refuses a system message"]),
        (shipped_templates()["qwen3"], ["'<|im_end|>'", r"</think>"]),
        (TEMPLATES["dated"], ["2024-07-26"]),
        (TEMPLATES["zephyr"], []),
    ],
)
def test_what_the_template_does_is_said(template: str, says: list[str]) -> None:
    found = preflight(healthy(), make_tokenizer("bytes", template), healthy_config())
    assert {problem.code for problem in found} <= {"T012"}
    text = "\n".join(problem.message for problem in found)
    assert all(word in text for word in says)
    assert bool(found) == bool(says)


def test_a_refused_system_message_names_the_pair_and_the_way_out() -> None:
    told = [replace(p, prompt=(Message("system", "Be kind."), *p.prompt)) for p in healthy()]
    tokenizer = make_tokenizer("bytes", TEMPLATES["refusing"])
    tokenizer.eos_token = "<|im_end|>"
    found = codes(told, tokenizer, healthy_config())
    assert found == {"T004": "error", "T012": "warning"}
    (error,) = [p for p in preflight(told, tokenizer, healthy_config()) if p.code == "T004"]
    assert "put the system text at the beginning of the first user message" in error.message
