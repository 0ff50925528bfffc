"""Batch plans: which requests run together. A plan depends on the requests only."""

from __future__ import annotations

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], batch_size: int, budget: int = 0) -> list[list[int]]:
    """Sorts by length, longest first, and cuts into batches.

    Longest first, so that running out of memory shows at once. Ties keep the
    given order: the same lengths always give the same plan.

    Args:
        lengths: Length of each item, in any unit (tokens, characters).
        batch_size: Most items per batch, at least 1.
        budget: Most items x longest length per batch; 0 for no such limit. A
            batch has at least one item even where that exceeds the budget.

    Returns:
        Batches of indices into `lengths`; each index occurs once.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    room = 0
    for index in order:
        if not room:
            longest = max(1, lengths[index])
            room = max(1, min(batch_size, budget // longest)) if budget else batch_size
            batches.append([])
        batches[-1].append(index)
        room -= 1
    return batches
