"""What is measured, and in which family of tests it is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..prompts.prompt import Role

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
