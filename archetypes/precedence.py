"""Orders archetypes by their counterweights: whose principles are consulted first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def precedence(counterweights: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Level of each archetype; 0 is consulted first.

    An archetype comes after those that check it. Archetypes that check each
    other, directly or in a circle, stand on one level, so that neither motive
    wins by rank. The level is the longest chain of one-sided checks above an
    archetype. Counterweights that are not among the keys are ignored.

    Example:
        >>> precedence({"guardian": ["explorer"], "explorer": ["guardian"], "ally": ["guardian"]})
        {'ally': 1, 'explorer': 0, 'guardian': 0}
    """
    checks = {
        name: [c for c in counterweights[name] if c in counterweights] for name in counterweights
    }
    reach = {name: _reachable(name, checks) for name in checks}
    above = {name: {c for c in reach[name] if name not in reach[c]} for name in checks}
    levels: dict[str, int] = {}
    # Fewer above first: whatever stands above has strictly fewer above itself.
    for name in sorted(checks, key=lambda key: (len(above[key]), key)):
        levels[name] = 1 + max((levels[c] for c in above[name]), default=-1)
    return dict(sorted(levels.items()))


def _reachable(start: str, checks: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    open_names = list(checks[start])
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            open_names.extend(checks[name])
    return found
