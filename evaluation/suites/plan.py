"""From what was asked for on the command line to loaded suites: attacks and samples included.

Harmful and harmless files that were exchanged are caught by what their prompts say.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean, pvariance
from typing import Final

from ...errors import ConfigurationError, Problem
from ...files.validation import suggestion
from ...files.yaml_file import load_yaml
from ...prompts.loader import load_prompts
from ...prompts.similarity import words
from ..measure import HARM
from .attack import Attack, Attacks, load_attacks
from .load import LoadedSuite, load_items
from .registry import find_suite
from .suite import PromptItem

PROFILES: Final = Path(__file__).with_name("profiles.yaml")
_WISH = re.compile(r"(?P<suite>[^+:]+(?:\.ya?ml)?)(?:\+(?P<attack>[^:]+))?(?::(?P<limit>\d+))?")


@dataclass(frozen=True, slots=True)
class Wish:
    """One suite as asked for: `NAME[+ATTACK][:LIMIT]`.

    Attributes:
        suite: Name of a suite, or path of its YAML file.
        attack: Name of an attack, a family of attacks, or of a YAML file; "" for none.
        limit: Most items, drawn with a seed; 0 for all.
    """

    suite: str
    attack: str = ""
    limit: int = 0

    @classmethod
    def parse(cls, text: str) -> Wish:
        """Reads `jbb-harmful+aim:50`.

        Raises:
            ConfigurationError: Another form.
        """
        found = _WISH.fullmatch(text.strip())
        if not found or found["limit"] == "0":
            fix = "write NAME, NAME+ATTACK, NAME:50 or NAME+ATTACK:50"
            message = f"{text!r} names no suite"
            raise ConfigurationError.one("E020", "--suites", message, fix)
        return cls(found["suite"], found["attack"] or "", int(found["limit"] or 0))


def profile(name: str) -> list[Wish]:
    """The suites of a profile.

    Raises:
        ConfigurationError: No such profile.
    """
    data = load_yaml(PROFILES).data
    assert isinstance(data, dict)
    if name not in data:
        fix = suggestion(name, [str(key) for key in data])
        raise ConfigurationError.one("E020", "--profile", f"no profile {name!r}", fix)
    return [Wish.parse(str(text)) for text in data[name]]


def load_wishes(
    wishes: Sequence[Wish], folder: Path | None = None, *, seed: int = 0
) -> list[LoadedSuite]:
    """Loads everything asked for; all problems are told at once.

    Args:
        wishes: What was asked for.
        folder: The `--suite-dir`, or None.
        seed: Seeds the samples.

    Raises:
        ConfigurationError: A suite or attack that does not exist or does not fit, a
            file with faults, a suite asked for twice, or harmful and harmless files
            that were exchanged.
    """
    problems: list[Problem] = []
    loaded: list[LoadedSuite] = []
    plain: dict[str, LoadedSuite] = {}
    attacks: Attacks | None = None
    for wish in wishes:
        try:
            if wish.suite not in plain:
                plain[wish.suite] = load_items(find_suite(wish.suite, folder), folder)
                problems += check_orientation(plain[wish.suite], folder)
            suite = _sampled(plain[wish.suite], wish.limit, seed)
            if wish.attack:
                attacks = attacks or load_attacks(folder)
                suite = _attacked(suite, wish.attack, attacks.named(wish.attack))
            loaded.append(suite)
        except ConfigurationError as error:
            problems += error.problems
    names = [suite.name for suite in loaded]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"asked for twice: {', '.join(twice)}"
        problems.append(Problem("E020", "error", "--suites", 0, message, "name each suite once"))
    if problems:
        raise ConfigurationError(list(dict.fromkeys(problems)))
    return loaded


def _sampled(loaded: LoadedSuite, limit: int, seed: int) -> LoadedSuite:
    """A seeded sample in the suite's order; twins stay together in our own sets."""
    if not limit or limit >= len(loaded):
        return loaded
    chooser = random.Random(f"{seed}:{loaded.name}")  # noqa: S311  # a sample, no secret
    if loaded.choices:
        places = sorted(chooser.sample(range(len(loaded.choices)), limit))
        return replace(loaded, choices=tuple(loaded.choices[place] for place in places))
    if any(item.twin for item in loaded.prompts):
        pairs = list(dict.fromkeys(_pair(item) for item in loaded.prompts))
        chosen = set(chooser.sample(pairs, max(1, limit // 2)))
        kept = tuple(item for item in loaded.prompts if _pair(item) in chosen)
        return replace(loaded, prompts=kept)
    places = sorted(chooser.sample(range(len(loaded.prompts)), limit))
    return replace(loaded, prompts=tuple(loaded.prompts[place] for place in places))


def _pair(item: PromptItem) -> tuple[str, ...]:
    """The ids of the item and its twin, the same for both."""
    return tuple(sorted({item.id, item.twin or item.id}))


def _attacked(loaded: LoadedSuite, name: str, attacks: Sequence[Attack]) -> LoadedSuite:
    if not loaded.prompts:
        message = f"{loaded.name} is scored, not answered: no attack fits it"
        raise ConfigurationError.one("E028", "--suites", message, f"leave +{name} out")
    several = len(attacks) > 1
    items = []
    for attack in attacks:
        for item in loaded.prompts:
            wrapped = attack.wrap(item)
            items.append(replace(wrapped, id=f"{item.id}+{attack.name}") if several else wrapped)
    suite = loaded.suite.model_copy(
        update={
            "name": f"{loaded.name}+{name}",
            "title": f"{loaded.suite.title}, {name.replace('_', ' ')}",
        }
    )
    return replace(loaded, suite=suite, prompts=tuple(items))


SURE = 2.0
"""Standard errors by which the wrong file must look more harmful before it is refused."""

_HARMFUL_SETS = ("harm", "harm_tasks", "fraud_assistance", "privacy_violation", "jailbreak_persona")


def check_orientation(loaded: LoadedSuite, folder: Path | None) -> list[Problem]:
    """One error where a suite at risk reads more harmless than its harmless twin.

    The words of our own at-risk prompts and of their twins, which differ in little
    else, give each word a weight; the mean weight of the two files is compared.
    Nothing is said where the twin cannot be read or the two are too close: this
    catches exchanged files, not single wrong rows.
    """
    suite = loaded.suite
    if suite.kind != "answers" or not suite.twin or suite.failure_mode != HARM:
        return []
    try:
        other = load_items(find_suite(suite.twin, folder), folder)
    except ConfigurationError:
        return []  # said where the twin itself is asked for
    first = [item.asked for item in loaded.prompts]
    second = [item.asked for item in other.prompts]
    harmful, harmless = (first, second) if suite.role == "at_risk" else (second, first)
    gap = harm_gap(harmful, harmless)
    if gap > -SURE:
        return []
    names = (suite.name, suite.twin) if suite.role == "at_risk" else (suite.twin, suite.name)
    message = (
        f"the prompts of {names[0]} read less harmful than those of {names[1]} ({-gap:.1f} "
        "standard errors): the two files seem exchanged"
    )
    file = ", ".join(suite.files)
    fix = "put each file in its own place, or correct `role` and `where`"
    return [Problem("E027", "error", file or suite.name, 0, message, fix)]


def harm_gap(harmful: Sequence[str], harmless: Sequence[str]) -> float:
    """By how many standard errors the first prompts read more harmful than the second.

    0.0 where either has fewer than 5 prompts.
    """
    if min(len(harmful), len(harmless)) < 5:
        return 0.0
    first, second = [harm_score(t) for t in harmful], [harm_score(t) for t in harmless]
    error = math.sqrt(pvariance(first) / len(first) + pvariance(second) / len(second))
    return (fmean(first) - fmean(second)) / error if error else 0.0


def harm_score(text: str) -> float:
    """Mean log-odds of a text's words to stand in our harmful prompts; 0.0 for unknown words."""
    weights = _weights()
    found = [weights.get(word, 0.0) for word in words(text)]
    return fmean(found) if found else 0.0


@cache
def _weights() -> dict[str, float]:
    """Word -> log-odds with add-one smoothing, from our own training twins (naive Bayes)."""
    prompts = load_prompts("train", sets=_HARMFUL_SETS)
    at_risk = _counts(prompt.text for prompt in prompts if prompt.role == "at_risk")
    twins = _counts(prompt.text for prompt in prompts if prompt.role == "twin")
    known = at_risk.keys() | twins.keys()
    totals = [sum(counts.values()) + len(known) for counts in (at_risk, twins)]
    return {
        word: math.log((at_risk[word] + 1) / totals[0]) - math.log((twins[word] + 1) / totals[1])
        for word in known
    }


def _counts(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each word stands."""
    return Counter(word for text in texts for word in set(words(text)))
