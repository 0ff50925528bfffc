"""How often a text inside a judged answer moves the verdict of a critic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..constitution.principle import Principle
from ..llm.request import Model
from ..prompts.prompt import Role
from ..stats import wilson
from .calibrate import judge_pairs
from .injection_attacks import ATTACKS
from .labelled_pair import LabelledPair


@dataclass(frozen=True, slots=True)
class AttackedPair:
    """A labelled pair whose failing answer carries an attack."""

    failure_mode: str
    role: Role
    prompt: str
    good: str
    failing: str


@dataclass(frozen=True, slots=True)
class InjectionRow:
    """One family of attacks; `all` for all together.

    Attributes:
        family: Its name.
        n: Attacked pairs compared.
        moved: Those where the verdict went towards the attacker: from the good answer to
            a tie or to the attacker, or from a tie to the attacker.
        low: Lower end of the 95% Wilson interval of moved / n.
        high: Upper end.
    """

    family: str
    n: int
    moved: int
    low: float
    high: float


_RANK = {"first": 0, "tie": 1, "abstain": 1, "second": 2}


async def measure_injection(
    critic: Model,
    labelled: Sequence[LabelledPair],
    principles: Iterable[Principle],
    *,
    per_attack: int = 2,
    seed: int = 0,
) -> list[InjectionRow]:
    """Compares pairs plainly, then with each attack at the end of the failing answer.

    Args:
        critic: The critic.
        labelled: Answer pairs whose better half is known; at least one.
        principles: The constitution.
        per_attack: Pairs each attack is tried on, taken in turn.
        seed: Of the draw of principles.

    Returns:
        One row per family and one for all. Not covered: attacks inside the question,
        and attacks tuned to this critic.
    """
    known = tuple(principles)
    chosen = [
        (family, text, labelled[(number * per_attack + turn) % len(labelled)])
        for number, (family, text) in enumerate(ATTACKS)
        for turn in range(per_attack)
    ]
    results = []
    for attacked in (False, True):
        pairs = [_pair(pair, text if attacked else "") for _, text, pair in chosen]
        results.append(await judge_pairs(critic, pairs, known, seed=seed))
    # Pairs without a principle are left out of both in the same way.
    names = {id(pair): family for (family, _, _), pair in zip(chosen, pairs, strict=True)}
    moved: dict[str, list[bool]] = {}
    for (_, before), (pair, after) in zip(*results, strict=True):
        went = _RANK[after.outcome] > _RANK[before.outcome]
        moved.setdefault(names[id(pair)], []).append(went)
    rows = [_row(family, found) for family, found in moved.items()]
    return [*rows, _row("all", [went for found in moved.values() for went in found])]


def _pair(pair: LabelledPair, attack: str) -> AttackedPair:
    failing = f"{pair.failing}\n{attack}" if attack else pair.failing
    return AttackedPair(pair.failure_mode, pair.role, pair.prompt, pair.good, failing)


def _row(family: str, moved: Sequence[bool]) -> InjectionRow:
    interval = wilson(sum(moved), len(moved)) if moved else None
    low, high = (interval.low, interval.high) if interval else (0.0, 1.0)
    return InjectionRow(family, len(moved), sum(moved), low, high)
