"""Beginnings that several prompts of a batch share are read once.

Critiques under one principle begin alike: instructions and rule first, then the answer to
judge. Reading a prompt is the larger part of a short critique's cost on a CPU, so the
shared part is run through the model once and its keys and values are handed to all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MIN_SHARED = 48
"""Fewest tokens in common that make two prompts a family."""
_WORTH_IT = 0.8
"""Sharing must cut the tokens read to at most this share of reading all rows in full."""


@dataclass(frozen=True, slots=True)
class PrefixPlan:
    """Which beginnings a batch is read with.

    Attributes:
        prefixes: Token ids, each read once; at least one token long.
        of_row: For each row, the index of its prefix. The prefix is shorter than the row.
    """

    prefixes: tuple[tuple[int, ...], ...]
    of_row: tuple[int, ...]


def plan_prefixes(rows: Sequence[Sequence[int]]) -> PrefixPlan | None:
    """The shared beginnings of a batch, or None where sharing saves too little.

    Rows are sorted, and neighbours with `MIN_SHARED` tokens in common form a family, whose
    prefix is what all of it have in common. A row without family brings all its tokens but
    the last as a prefix of its own: padding the others to its full length would cost more.

    Args:
        rows: Token ids of each prompt, none empty.
    """
    if len(rows) < 2 or min(map(len, rows)) < 2:
        return None
    order = sorted(range(len(rows)), key=lambda index: (list(rows[index]), index))
    families: list[tuple[int, list[int]]] = []  # (length of the prefix, rows)
    for index in order:
        if families:
            length, members = families[-1]
            common = min(length, _common(rows[members[-1]], rows[index]))
            if common >= MIN_SHARED:
                families[-1] = (common, [*members, index])
                continue
        families.append((len(rows[index]) - 1, [index]))
    prefixes = []
    of_row = [0] * len(rows)
    for number, (length, members) in enumerate(families):
        shortest = min(len(rows[index]) for index in members)
        prefixes.append(tuple(rows[members[0]][: min(length, shortest - 1)]))
        for index in members:
            of_row[index] = number
    rest = max(len(row) - len(prefixes[number]) for row, number in zip(rows, of_row, strict=True))
    shared = len(prefixes) * max(map(len, prefixes)) + len(rows) * rest
    if shared > _WORTH_IT * len(rows) * max(map(len, rows)):
        return None
    return PrefixPlan(tuple(prefixes), tuple(of_row))


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two rows have in common at their beginning."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
