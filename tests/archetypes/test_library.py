"""What the shipped archetypes promise beyond what the schema can check."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import pytest
from anlage.archetypes.loader import load_archetypes
from anlage.archetypes.reference import load_references
from anlage.archetypes.schema import Archetype
from anlage.authoring.coverage import coverage

ARCHETYPES = {archetype.id: archetype for archetype in load_archetypes()}
COVERED = coverage()


def grams(text: str, n: int = 4) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z']+", text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def opening_groups() -> Iterator[tuple[str, tuple[str, ...]]]:
    for archetype in ARCHETYPES.values():
        openings = archetype.openings
        for pole, lists in (("excess", openings.excess), ("deficit", openings.deficit)):
            for mode, texts in lists.items():
                yield f"{archetype.id}/{pole}/{mode}", texts
        for mode, texts in openings.integrated.items():
            yield f"{archetype.id}/integrated/{mode}", texts


@pytest.mark.parametrize("archetype", ARCHETYPES.values(), ids=ARCHETYPES)
def test_enough_exemplars_and_principles(archetype: Archetype) -> None:
    count = Counter((item.failure_mode, item.role) for item in archetype.exemplars)
    for entry in archetype.ai_failure_modes:
        assert count[(entry.mode, "at_risk")] >= 4
        assert count[(entry.mode, "twin")] >= 4
    assert len(archetype.principles) >= 3


@pytest.mark.parametrize("archetype", ARCHETYPES.values(), ids=ARCHETYPES)
def test_enough_prompts_for_its_failure_modes(archetype: Archetype) -> None:
    twins = {mode.mode: mode.twins for mode in COVERED.modes}
    for split, least in (("train", 40), ("dev", 10), ("test", 10)):
        assert sum(twins[entry.mode][split] for entry in archetype.ai_failure_modes) >= least


@pytest.mark.parametrize("archetype", ARCHETYPES.values(), ids=ARCHETYPES)
def test_evidence_was_looked_up_and_the_mapping_is_a_hypothesis(archetype: Archetype) -> None:
    known = load_references()
    cited = {item.ref for item in archetype.evidence}
    assert len(cited) >= 2
    assert {known[ref].status for ref in cited} <= {"V", "T", "A"}
    assert archetype.contested_by
    assert archetype.mapping_status == "hypothesis"


def test_opposed_pairs_check_each_other() -> None:
    for one, other in (("guardian", "explorer"), ("ally", "sage")):
        assert other in ARCHETYPES[one].counterweights
        assert one in ARCHETYPES[other].counterweights


def test_no_prompt_is_used_twice_and_answers_differ() -> None:
    prompts = [item.prompt for a in ARCHETYPES.values() for item in a.exemplars]
    assert len(prompts) == len(set(prompts))
    assert all(item.good != item.failing for a in ARCHETYPES.values() for item in a.exemplars)


def test_length_does_not_tell_good_from_failing() -> None:
    # A critic or probe that only likes length must not look competent here.
    longer = [
        len(item.good) > len(item.failing) for a in ARCHETYPES.values() for item in a.exemplars
    ]
    assert 0.35 < sum(longer) / len(longer) < 0.65


@pytest.mark.parametrize(("group", "texts"), opening_groups())
def test_openings_of_a_group_differ_in_wording(group: str, texts: tuple[str, ...]) -> None:
    for one, other in combinations(texts, 2):
        assert not grams(one) & grams(other), f"{group}: {one!r} and {other!r}"
    starts = Counter(" ".join(text.split()[:3]) for text in texts)
    assert max(starts.values()) == 1, starts


def test_harm_frames_carry_a_reason_and_an_offer() -> None:
    for text in ARCHETYPES["guardian"].openings.integrated["harmful_compliance"]:
        # The model writes the reason; the offer of a safe route is the author's.
        assert text.count("...") == 1, text
        assert text.endswith("."), text
        assert not text.endswith("..."), text
