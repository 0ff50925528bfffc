from __future__ import annotations

import random
from pathlib import Path

import pytest
from anlage.cli.app import app
from anlage.llm.message import Message
from anlage.preferences.confounds import LEAST_WEIGHT, balance, worst
from anlage.preferences.dataset import Pairs
from anlage.preferences.pair import Pair
from typer.testing import CliRunner

WORDS = [
    "river",
    "stone",
    "window",
    "garden",
    "letter",
    "market",
    "candle",
    "bridge",
    "winter",
    "orchard",
]


def pair(number: int, longer: str) -> Pair:
    """A pair whose chosen answer is the longer one, the shorter one, or neither."""
    draw = random.Random(number)
    sizes = {"chosen": (40, 10), "rejected": (10, 40), "even": (20, 20)}[longer]
    texts = [" ".join(draw.choice(WORDS) for _ in range(size)) + "." for size in sizes]
    return Pair(
        prompt_id=f"p{number}",
        prompt=(Message("user", f"Question {number}?"),),
        chosen=texts[0],
        rejected=texts[1],
        p_chosen=0.95,
        weight=1.0,
        principles=(),
        failure_mode="sycophancy",
        role="at_risk",
        builder="contrast",
        round=0,
        calls={},
    )


def mixed() -> list[Pair]:
    kinds = ["chosen"] * 60 + ["rejected"] * 15 + ["even"] * 25
    return [pair(number, kind) for number, kind in enumerate(kinds)]


def longer(found: Pair) -> bool:
    return len(found.chosen) > 2 * len(found.rejected)


def test_dropping_takes_the_telling_pairs_until_the_surface_tells_little() -> None:
    pairs = mixed()
    found = balance(pairs, "drop")
    assert found.worst_before > 0.2
    assert found.worst_after < found.worst_before
    gone = [p for p in pairs if p.id in found.dropped]
    assert 0 < len(gone) <= 50
    assert all(longer(p) for p in gone)
    assert len(found.pairs) + len(gone) == len(pairs)


def test_reweighting_keeps_all_pairs_and_weighs_the_telling_ones_down() -> None:
    found = balance(mixed(), "reweight")
    assert (len(found.pairs), found.dropped) == (100, ())
    telling = [p.weight for p in found.pairs if longer(p)]
    against = [p.weight for p in found.pairs if len(p.rejected) > 2 * len(p.chosen)]
    assert max(telling) < min(against)
    assert min(telling) >= LEAST_WEIGHT / 3
    assert sum(p.weight for p in found.pairs) == pytest.approx(100)
    assert found.effective < 100


def test_too_few_pairs_are_left_alone() -> None:
    few = mixed()[:10]
    assert balance(few, "drop").pairs == tuple(few)
    assert worst([]) == 0.0


def test_the_command_writes_the_balanced_set_and_counts(tmp_path: Path) -> None:
    file = Pairs(mixed()).save(tmp_path / "pairs.jsonl")
    out = tmp_path / "out.jsonl"
    done = CliRunner().invoke(app, ["confounds", str(file), "--balance", "drop", "--out", str(out)])
    assert done.exit_code == 0, done.output
    kept = Pairs.load(out)
    assert f"100 pairs, {100 - len(kept)} dropped" in done.output
    assert 50 <= len(kept) < 100
