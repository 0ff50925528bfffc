"""What is measured, and in which family of tests it is declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..prompts.prompt import Role
from ..stats.intervals import ANY, SHARE, Range
from .suites.item import ItemRole
from .suites.suite import Kind

Family = Literal["harm", "probe", "side effect"]
"""p-values are adjusted (Holm) within a family, over all its measures."""

MeasureName = Literal[
    "defended",
    "over_refusal",
    "answered",
    "refused",
    "incoherent",
    "repetition",
    "perplexity",
    "margin",
]

HARM = "harmful_compliance"
"""The one failure mode whose sets a refusal judge can decide."""

TARGETS: tuple[str, str] = (HARM, "over_refusal")
"""What training on harm aims at; whatever else moves is bleed."""

RATES: frozenset[MeasureName] = frozenset(
    {"defended", "over_refusal", "answered", "refused", "incoherent"}
)
_NOT_NEGATIVE: Final = Range(low=0.0)


@dataclass(frozen=True, slots=True)
class Measure:
    """One number per model.

    Attributes:
        family: Family of tests.
        name: What is measured. `defended` is a refusal at risk and
            `over_refusal` a refusal of a twin, both on the harm sets;
            `answered` is what is left of the twins after refusals and
            incoherent answers, so that one cannot fall by way of the other;
            `refused` is used for all other sets and claims nothing;
            `repetition` is the mean share of repeated 3-grams in [0, 1];
            `perplexity` is per token, its *difference* in nats per token;
            `margin` is the probe's, in nats per token.
        failure_mode: The sets or exemplars it is measured on, "" for all.
        role: The prompts' role, "" for both.
    """

    family: Family
    name: MeasureName
    failure_mode: str = ""
    role: Role | Literal[""] = ""

    @property
    def is_rate(self) -> bool:
        """True for a share of answers, False for a mean."""
        return self.name in RATES

    @property
    def range(self) -> Range:
        """What one unit's value can be (perplexity: in nats per token, as it is averaged)."""
        if self.name == "perplexity":
            return _NOT_NEGATIVE
        return SHARE if self.is_rate or self.name == "repetition" else ANY

    @property
    def better(self) -> Literal["higher", "lower", ""]:
        """Which direction is good; "" where neither is."""
        if self.name in ("defended", "answered", "margin"):
            return "higher"
        return "" if self.name == "refused" else "lower"

    @property
    def label(self) -> str:
        """The measure in words, e.g. `incoherent, at risk`."""
        words = self.name.replace("_", "-") if self.name == "over_refusal" else self.name
        parts = ["probe" if self.name == "margin" else words]
        if (self.failure_mode and self.failure_mode != HARM) or self.name == "margin":
            parts.append(self.failure_mode.replace("_", " "))
        if self.role and self.name not in ("defended", "over_refusal"):
            parts.append(self.role.replace("_", " "))
        return ", ".join(parts)


def measures_for(failure_modes: set[str], probes: set[tuple[str, Role]]) -> list[Measure]:
    """Every measure declared for these prompt sets and probe exemplars, in table order.

    Args:
        failure_modes: Failure modes of the prompt sets.
        probes: Failure mode and role of each exemplar.
    """
    roles: tuple[Role, Role] = ("at_risk", "twin")
    measures: list[Measure] = []
    if HARM in failure_modes:
        measures.append(Measure("harm", "defended", HARM, "at_risk"))
        measures.append(Measure("harm", "over_refusal", HARM, "twin"))
        measures.append(Measure("harm", "answered", HARM, "twin"))
        measures += [Measure("harm", "incoherent", HARM, role) for role in roles]
    for mode in sorted(failure_modes - {HARM}):
        for name in ("refused", "incoherent"):
            measures += [Measure("side effect", name, mode, role) for role in roles]
    measures.append(Measure("side effect", "repetition"))
    measures.append(Measure("side effect", "perplexity"))
    measures += [Measure("probe", "margin", mode, role) for mode, role in sorted(probes)]
    return measures


Name = Literal[
    "defended",
    "over_refusal",
    "answered",
    "refused",
    "incoherent",
    "intrusion",
    "length",
    "quality",
    "accuracy",
    "matching",
    "probability",
    "order_bias",
    "nats",
]
SUITE_RATES: Final[frozenset[str]] = frozenset(
    (
        *("defended", "over_refusal", "answered", "refused", "incoherent", "intrusion"),
        *("accuracy", "matching", "order_bias"),
    )
)
_HIGHER = ("defended", "answered", "accuracy", "probability")
_LOWER = ("over_refusal", "incoherent", "intrusion", "nats", "quality")
_WORDS = {
    "over_refusal": "over-refusal",
    "order_bias": "order bias",
    "nats": "nats per token",
    "length": "words per answer",
    "quality": "harmful quality",
    "intrusion": "persona intrusion",
}


@dataclass(frozen=True, slots=True)
class SuiteMeasure:
    """One number per model and suite.

    Attributes:
        suite: Name of the suite, with its attack.
        name: What is measured. `defended` is a refusal at risk, `over_refusal` a
            refusal of a twin, both where the failure is compliance with harm;
            `refused` is the same share elsewhere and claims nothing; `intrusion`
            is an archetype's voice where nothing called for it; `quality` the
            rubric score of harmful help; `matching` the share of answers that
            show the behaviour named.
        better: Which direction is good; "" where neither is.
        failure_mode: Of the items, "" for scored suites.
        role: Of the items, "" for scored suites.
    """

    suite: str
    name: Name
    better: Literal["higher", "lower", ""]
    failure_mode: str = ""
    role: ItemRole = ""

    @property
    def is_rate(self) -> bool:
        """True for a share of units, False for a mean."""
        return self.name in SUITE_RATES

    @property
    def range(self) -> Range:
        """What one unit's value can be."""
        if self.is_rate or self.name in ("probability", "quality"):
            return SHARE
        return _NOT_NEGATIVE  # words, nats

    @property
    def label(self) -> str:
        """The measure in words, e.g. `over-refusal, fraud assistance`."""
        parts = [_WORDS.get(self.name, self.name)]
        if self.failure_mode not in ("", "none", HARM):
            parts.append(self.failure_mode.replace("_", " "))
        if self.role in ("at_risk", "twin") and self.name not in ("defended", "over_refusal"):
            parts.append(self.role.replace("_", " "))
        return ", ".join(parts)

    @property
    def full_label(self) -> str:
        """With its suite, e.g. `jbb-benign: over-refusal`."""
        return f"{self.suite}: {self.label}"


def measures_of(
    suite: str,
    kind: Kind,
    better: str,
    parts: Sequence[tuple[str, ItemRole]],
    *,
    rated: bool = False,
) -> list[SuiteMeasure]:
    """The measures of one suite, in table order.

    Args:
        suite: Its name.
        kind: Its kind.
        better: For `ab`: which direction is good.
        parts: Failure mode and role of its items.
        rated: True where harmful answers have rubric scores.
    """
    if kind == "answers":
        return [
            _measure(suite, name, mode, role)
            for mode, role in parts
            for name in _names(mode, role, rated=rated)
        ]
    if kind == "ab":
        good: Literal["higher", "lower", ""] = better if better in ("higher", "lower") else ""  # type: ignore[assignment]
        return [
            SuiteMeasure(suite, "matching", good),
            SuiteMeasure(suite, "probability", good),
            SuiteMeasure(suite, "order_bias", ""),
        ]
    names: tuple[Name, ...] = ("accuracy", "probability")
    if kind == "last_word":
        names = ("accuracy", "nats")
    return [_measure(suite, name) for name in names]


def _names(mode: str, role: ItemRole, *, rated: bool) -> list[Name]:
    if role == "neutral":
        return ["refused", "intrusion", "incoherent", "length"]
    if mode != HARM:
        return ["refused", "incoherent", "intrusion"]
    if role == "twin":
        return ["over_refusal", "answered", "incoherent"]
    return ["defended", "incoherent", *(["quality"] if rated else [])]  # type: ignore[list-item]


def _measure(suite: str, name: Name, mode: str = "", role: ItemRole = "") -> SuiteMeasure:
    better: Literal["higher", "lower", ""] = ""
    if name in _HIGHER:
        better = "higher"
    elif name in _LOWER:
        better = "lower"
    return SuiteMeasure(suite, name, better, mode, role)
