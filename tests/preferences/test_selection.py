"""Choosing among built pairs: by origin, by number, by label."""

from __future__ import annotations

import pytest
from anlage.errors import PairError
from anlage.llm.message import Message
from anlage.preferences.dataset import Pairs
from anlage.preferences.pair import Pair
from anlage.preferences.selection import PairSelection, select


def make_pairs(n: int = 20) -> Pairs:
    names = ("guardian/no-harm", "guardian/aim-first", "sage/check-first", "ally/stand-by")
    return Pairs(
        Pair(
            prompt_id=f"p{i}",
            prompt=(Message("user", f"ask {i}"),),
            chosen=f"good {i}",
            rejected=f"bad {i}",
            p_chosen=0.95,
            weight=1.0,
            principles=(names[i % 4],),
            failure_mode="harmful_compliance",
            role="at_risk",
            builder="contrast",
            round=0,
            calls={},
        )
        for i in range(n)
    )


def test_the_default_keeps_everything() -> None:
    assert PairSelection().is_all
    assert select(make_pairs(), PairSelection()) == make_pairs()


def test_an_archetype_or_one_principle_is_left_out() -> None:
    kept = select(make_pairs(), PairSelection(without=("guardian",)))
    assert {p.principles[0] for p in kept} == {"sage/check-first", "ally/stand-by"}
    kept = select(make_pairs(), PairSelection(without=("guardian/no-harm",)))
    assert len(kept) == 15
    kept = select(make_pairs(), PairSelection(only=("sage", "guardian/no-harm")))
    assert {p.principles[0] for p in kept} == {"sage/check-first", "guardian/no-harm"}


def test_draws_are_nested_and_seeded() -> None:
    small = select(make_pairs(), PairSelection(limit=5))
    large = select(make_pairs(), PairSelection(share=0.5))
    assert (len(small), len(large)) == (5, 10)
    assert {p.id for p in small} < {p.id for p in large}
    assert select(make_pairs(), PairSelection(limit=5, seed=1)) != small


def test_hard_labels() -> None:
    assert {p.p_chosen for p in select(make_pairs(), PairSelection(labels="hard"))} == {1.0}


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(PairError, match="leaves no pair"):
        select(make_pairs(), PairSelection(only=("guardiann",)))
