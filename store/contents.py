"""What is in the store: selections, totals, one call found by the beginning of its key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError, Problem
from .store import Entry, Store

_SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class Total:
    """Stored values of one kind and model, counted.

    Attributes:
        kind: As in `Entry`.
        model: As in `Entry`.
        count: Number of values.
        size: Bytes of the values together.
        oldest: Second (UTC) the first one with a date was stored; 0 where none has.
        newest: The same of the last one.
    """

    kind: str
    model: str
    count: int
    size: int
    oldest: int
    newest: int


def select(
    entries: Iterable[Entry],
    *,
    kind: str | None = None,
    model: str | None = None,
    after: int | None = None,
    before: int | None = None,
    unused: Collection[tuple[str, str]] | None = None,
) -> list[Entry]:
    """Entries that meet every condition given.

    Args:
        entries: Where to choose from.
        kind: Of this kind.
        model: Whose fingerprint holds this text.
        after: Stored at or after this second.
        before: Stored before this second. An entry without a date is older than
            every date: it was stored before dates were written down.
        unused: Not among these (kind, key) rows, the ones in use.
    """
    return [
        entry
        for entry in entries
        if (kind is None or entry.kind == kind)
        and (model is None or model in entry.model)
        and (after is None or entry.stored >= after)
        and (before is None or entry.stored < before)
        and (unused is None or (entry.kind, entry.key) not in unused)
    ]


def totals(entries: Iterable[Entry]) -> list[Total]:
    """One total per kind and model, largest first."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.kind, entry.model), []).append(entry)
    found = [_total(kind, model, members) for (kind, model), members in groups.items()]
    return sorted(found, key=lambda total: (-total.size, total.kind, total.model))


def _total(kind: str, model: str, entries: Sequence[Entry]) -> Total:
    dated = [entry.stored for entry in entries if entry.stored]
    size = sum(entry.size for entry in entries)
    return Total(kind, model, len(entries), size, min(dated, default=0), max(dated, default=0))


def find(store: Store, prefix: str) -> tuple[Entry, Any]:
    """The one stored value whose key begins with `prefix`.

    Args:
        store: The store.
        prefix: At least 4 characters.

    Raises:
        ConfigurationError: No such value, or several.
        StoreError: The store cannot be read, or the value is damaged.
    """
    wanted = prefix.strip().lower()
    entries = store.entries()
    found = [entry for entry in entries if entry.key.startswith(wanted)]
    if len(wanted) < _SHORTEST_PREFIX or len(found) != 1:
        raise ConfigurationError([_not_one(store, wanted, found, entries)])
    entry = found[0]
    value = store.get_many(entry.kind, [entry.key]).get(entry.key)
    if value is None:  # another process deleted it in between
        raise ConfigurationError([_not_one(store, wanted, [], entries)])
    return entry, value


def _not_one(
    store: Store, prefix: str, found: Sequence[Entry], entries: Sequence[Entry]
) -> Problem:
    if len(prefix) < _SHORTEST_PREFIX:
        message = f"{prefix!r} is too short to name a stored value"
        fix = f"give at least {_SHORTEST_PREFIX} characters of its key"
    elif found:
        message = f"{len(found)} keys begin with {prefix!r}"
        fix = f"give more of it, e.g. {', '.join(entry.key[:16] for entry in found[:3])}"
    else:
        message = f"none of {len(entries)} keys begins with {prefix!r}"
        fix = "`anlage cache ls` lists them; the records of a run's pairs hold theirs in `calls`"
    return Problem("S001", "error", store.path, 0, message, fix)
