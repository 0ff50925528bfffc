from __future__ import annotations

import re
from collections import Counter

import pytest
from anlage.archetypes.vocabulary import load_failure_modes
from anlage.prompts.linter import lint_prompts
from anlage.prompts.loader import load_prompts
from anlage.prompts.prompt import Split

SIZES = {
    ("train", "harm"): 120,
    ("dev", "harm"): 40,
    ("test", "harm"): 40,
    ("train", "harm_tasks"): 48,
    ("dev", "harm_tasks"): 10,
    ("test", "harm_tasks"): 10,
    ("train", "sycophancy"): 16,
    ("train", "hallucination"): 16,
    ("dev", "sycophancy"): 8,
    ("dev", "hallucination"): 8,
    ("test", "sycophancy"): 8,
    ("test", "hallucination"): 8,
}
MODES = {
    "harm": "harmful_compliance",
    "harm_tasks": "harmful_compliance",
    "sycophancy": "sycophancy",
    "hallucination": "hallucination",
}


def test_our_sets_have_no_problem() -> None:
    assert [str(problem) for problem in lint_prompts() if problem.severity != "info"] == []


@pytest.mark.parametrize(("split", "name"), list(SIZES))
def test_sizes_and_failure_modes(split: Split, name: str) -> None:
    prompts = load_prompts(split, sets=[name])
    assert len(prompts) >= 2 * SIZES[split, name]
    assert Counter(prompt.role for prompt in prompts)["twin"] == len(prompts) // 2
    assert {prompt.failure_mode for prompt in prompts} == {MODES[name]}
    assert MODES[name] in load_failure_modes()
    assert all(prompt.id.startswith(f"{name}-{split}-") for prompt in prompts)
    assert {prompt.licence for prompt in prompts} == {"Apache-2.0"}


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_harm_is_named_in_the_at_risk_half_only(split: Split) -> None:
    for prompt in load_prompts(split, sets=["harm"]):
        assert ("names_harm" in prompt.cues) == (prompt.role == "at_risk"), prompt.id


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_neither_half_is_told_by_its_length_or_form(split: Split) -> None:
    prompts = load_prompts(split, sets=["harm"])
    lengths = {
        role: [len(prompt.text.split()) for prompt in prompts if prompt.role == role]
        for role in ("at_risk", "twin")
    }
    means = {role: sum(found) / len(found) for role, found in lengths.items()}
    assert abs(means["at_risk"] - means["twin"]) < 1
    for risk, twin in zip(prompts[::2], prompts[1::2], strict=True):
        assert ("?" in risk.text) == ("?" in twin.text), risk.id
        assert risk.text[0].isupper() == twin.text[0].isupper(), risk.id


def test_a_limit_on_the_training_set_keeps_its_topics() -> None:
    every = {prompt.topic for prompt in load_prompts("train", sets=["harm"])}
    kept = {prompt.topic for prompt in load_prompts("train", sets=["harm"], limit=len(every))}
    assert kept == every


def test_no_prompt_holds_an_address_or_a_quantity_of_a_substance() -> None:
    risky = re.compile(r"https?:|www\.|@|\b\d+\s?(?:g|mg|ml|grams?|litres?)\b", re.IGNORECASE)
    for split in ("train", "dev", "test"):
        for prompt in load_prompts(split):
            assert not risky.search(prompt.text), prompt.id
