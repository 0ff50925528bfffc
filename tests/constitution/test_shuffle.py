"""The shuffled control: all texts are still there, none in its own place; and the inverted."""

from __future__ import annotations

import pytest
from anlage.archetypes.vocabulary import opposite
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.principle import Constitution
from anlage.constitution.shuffle import inverted, shuffled
from anlage.critic.routing import route
from anlage.errors import ConfigurationError
from anlage.prompts.loader import load_prompts
from anlage.prompts.prompt import threat


@pytest.mark.parametrize("seed", range(5))
def test_every_text_moves_to_another_failure_mode(seed: int) -> None:
    whole = compile_constitution()
    origin = {p.statement: p.failure_mode for p in whole}
    dealt = shuffled(whole, seed=seed)
    assert sorted(p.statement for p in dealt) == sorted(p.statement for p in whole)
    for before, after in zip(whole, dealt, strict=True):
        assert (after.id, after.failure_mode, after.cues) == (
            before.id,
            before.failure_mode,
            before.cues,
        )
        assert origin[after.statement] != after.failure_mode
        donor = next(p for p in whole if p.statement == after.statement)
        assert (after.openings, after.critique) == (donor.openings, donor.critique)


def test_the_deal_follows_the_seed_and_changes_the_hash() -> None:
    whole = compile_constitution(only=["guardian", "explorer", "sage", "ally"])
    assert shuffled(whole, seed=1) == shuffled(whole, seed=1)
    hashes = {whole.hash, shuffled(whole, seed=1).hash, shuffled(whole, seed=2).hash}
    assert len(hashes) == 3


def test_one_failure_mode_alone_cannot_be_dealt_out() -> None:
    whole = compile_constitution()
    mode = whole.principles[0].failure_mode
    only = Constitution(tuple(p for p in whole if p.failure_mode == mode), {})
    with pytest.raises(ConfigurationError, match="cannot be shuffled"):
        shuffled(only, seed=1)
    with pytest.raises(ConfigurationError, match="cannot be inverted: none guards against"):
        inverted(only)


RECIPE = ["guardian", "explorer", "sage", "ally"]


@pytest.mark.parametrize("only", [RECIPE, None], ids=["recipe", "library"])
def test_no_deal_gives_a_place_the_opposite_rule(only: list[str] | None) -> None:
    whole = compile_constitution(only=only)
    origin = {p.statement: p.failure_mode for p in whole}
    deals = set()
    for seed in range(25):
        dealt = shuffled(whole, seed=seed)
        deals.add(dealt.hash)
        for place in dealt:
            assert origin[place.statement] != opposite(place.failure_mode)
    assert len(deals) == 25  # a deal of its own for every seed


def test_harm_and_over_refusal_alone_can_only_be_inverted() -> None:
    whole = compile_constitution(only=RECIPE)
    modes = ("harmful_compliance", "over_refusal")
    two = Constitution(tuple(p for p in whole if p.failure_mode in modes), {})
    with pytest.raises(ConfigurationError, match="`inverted` needs the opposite modes only"):
        shuffled(two, seed=0)
    origin = {p.statement: p.failure_mode for p in two}
    for place in inverted(two):
        assert origin[place.statement] == opposite(place.failure_mode)


def test_the_inverted_control_gives_every_prompt_the_opposite_rule() -> None:
    whole = compile_constitution(only=RECIPE)
    origin = {p.statement: p.failure_mode for p in whole}
    turned = inverted(whole)
    asked = load_prompts("train", sets=["harm", "sycophancy"], limit=20)
    rules = [(prompt, route(prompt, turned, seed=0)) for prompt in asked]
    given = [(prompt, rule) for prompt, rule in rules if rule is not None]
    assert given
    for prompt, rule in given:
        assert origin[rule.statement] == opposite(threat(prompt))
