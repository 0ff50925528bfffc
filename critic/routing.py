"""Chooses the principle applied to a prompt: by failure mode, then cues, then a seeded draw."""

from __future__ import annotations

import random
from collections.abc import Iterable

from ..constitution.principle import Principle
from ..files.seeds import derive_seed
from ..prompts.prompt import Prompt, threat


def candidates(prompt: Prompt, principles: Iterable[Principle]) -> list[tuple[Principle, float]]:
    """Principles that guard against the prompt's threat, with their sampling weight.

    The weight is the author's `weight` times the number of cues shared with the
    prompt; where no principle shares any, all that guard against the threat count
    alike. Sorted by id, so that the order of the constitution does not matter.
    """
    danger = threat(prompt)
    matching = sorted((p for p in principles if p.failure_mode == danger), key=lambda p: p.id)
    cues = set(prompt.cues)
    shared = [(p, p.weight * len(cues.intersection(p.cues))) for p in matching]
    return [(p, w) for p, w in shared if w > 0] or [(p, p.weight) for p in matching]


def route(prompt: Prompt, principles: Iterable[Principle], *, seed: int) -> Principle | None:
    """Draws one principle for a prompt, or None if none guards against its threat.

    The draw depends on the seed and the prompt's id only, not on other prompts.
    """
    weighted = candidates(prompt, principles)
    if not weighted:
        return None
    generator = random.Random(derive_seed(seed, "route", prompt.id))  # noqa: S311
    return generator.choices([p for p, _ in weighted], [w for _, w in weighted])[0]


def panel(
    prompt: Prompt, principles: Iterable[Principle], first: Principle, *, size: int, seed: int
) -> list[Principle]:
    """The principles that judge one comparison together.

    Args:
        prompt: What was asked.
        principles: The constitution.
        first: Always one of them, and the first.
        size: Most of them; fewer where fewer guard against the prompt's threat.
        seed: Of the draw of the others, weighted as in `route`, without replacement.
    """
    chosen = [first]
    others = [(p, w) for p, w in candidates(prompt, principles) if p.id != first.id]
    generator = random.Random(derive_seed(seed, "panel", prompt.id))  # noqa: S311
    while others and len(chosen) < size:
        index = generator.choices(range(len(others)), [weight for _, weight in others])[0]
        chosen.append(others.pop(index)[0])
    return chosen
