"""The shuffled control: all texts are still there, none in its own place."""

from __future__ import annotations

import pytest
from anlage.constitution.compiler import compile_constitution
from anlage.constitution.principle import Constitution
from anlage.constitution.shuffle import shuffled


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
    assert shuffled(only, seed=1) == only
