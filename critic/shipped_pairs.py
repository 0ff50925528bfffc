"""The labelled pairs that come with the package."""

from __future__ import annotations

from ..archetypes.loader import load_archetypes
from ..prompts.labelled import load_labelled
from .labelled_pair import LabelledPair


def shipped_pairs() -> list[LabelledPair]:
    """The exemplars of all shipped archetypes, then all labelled answers."""
    exemplars = [exemplar for archetype in load_archetypes() for exemplar in archetype.exemplars]
    return [*exemplars, *load_labelled()]
