"""What is measured: one vocabulary for runs, suites and studies."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..prompts.prompt import Role
from ..stats.clusters import clustered_mean, clustered_rate, group_by
from ..stats.intervals import ANY, SHARE, Estimate, Interval, Range, Rate, mean_estimate
from .suites.suite import ItemRole, Kind

Direction = Literal["higher", "lower", ""]
"""Which direction is good; "" where neither is."""

Unit = Literal["points", "share", "nats per token", "words", "score"]
"""`points` is a share that is shown in percent and whose changes are percentage points."""

Family = Literal[
    "harm", "failure mode", "preference", "probe", "side effect", "primary", "secondary"
]
"""p-values are adjusted (Holm) within a family, over all its measures. Suites have two:
`primary`, which a claim may rest on, and `secondary`."""

RunName = Literal[
    "defended",
    "over_refusal",
    "answered",
    "refused",
    "incoherent",
    "repetition",
    "perplexity",
    "margin",
    "shown",
    "preferred",
]
"""What a run's own evaluation measures."""

MeasureName = Literal[
    RunName,
    "separation",
    "intrusion",
    "length",
    "quality",
    "accuracy",
    "matching",
    "probability",
    "order_bias",
    "nats",
]

HARM = "harmful_compliance"
"""The one failure mode whose sets a refusal judge can decide."""

TARGETS: tuple[str, str] = (HARM, "over_refusal")
"""What training on harm aims at; whatever else moves is bleed."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a measure by its name alone.

    Attributes:
        words: Its name in words.
        better: Which direction is good.
        unit: Of its values and differences.
        is_rate: True where each unit is a yes or a no.
        decimals: Of the ends of an interval that is shown in percent.
        range: What one unit's value can be (perplexity: in nats, as it is averaged).
    """

    words: str
    better: Direction
    unit: Unit
    is_rate: bool = False
    decimals: int = 0
    range: Range = SHARE


_NOT_NEGATIVE: Final = Range(low=0.0)
_VOCABULARY: Final[Mapping[MeasureName, _Entry]] = {
    "defended": _Entry("defended", "higher", "points", is_rate=True),
    "over_refusal": _Entry("over-refusal", "lower", "points", is_rate=True),
    "answered": _Entry("answered", "higher", "points", is_rate=True),
    "refused": _Entry("refused", "", "points", is_rate=True),
    "incoherent": _Entry("incoherent", "lower", "points", is_rate=True),
    "intrusion": _Entry("persona intrusion", "lower", "points", is_rate=True),
    "accuracy": _Entry("accuracy", "higher", "points", is_rate=True),
    "matching": _Entry("matching", "", "points", is_rate=True),
    "order_bias": _Entry("order bias", "", "points", is_rate=True),
    "separation": _Entry(
        "separation (defended minus over-refused)", "higher", "points", range=Range(-1.0, 1.0)
    ),
    "repetition": _Entry("repetition", "lower", "share", decimals=1),
    "probability": _Entry("probability", "higher", "share"),
    "perplexity": _Entry("perplexity", "lower", "nats per token", range=_NOT_NEGATIVE),
    "shown": _Entry("failure shown", "lower", "points", is_rate=True),
    "preferred": _Entry("good answer preferred", "higher", "points", is_rate=True),
    "margin": _Entry("probe", "higher", "nats per token", range=ANY),
    "nats": _Entry("nats per token", "lower", "nats per token", range=_NOT_NEGATIVE),
    "length": _Entry("words per answer", "", "words", range=_NOT_NEGATIVE),
    "quality": _Entry("harmful quality", "lower", "score"),
}
"""Every measure, once: a new one is a name above and a row here."""

PRIMARY: Final = frozenset({"defended", "over_refusal", "accuracy", "matching", "quality"})
"""Measures of suites a claim may rest on."""

_OWN_FAMILIES: Final[Mapping[MeasureName, Family]] = {
    "margin": "probe",
    "shown": "failure mode",
    "preferred": "preference",
}
"""Families of measures that are tested together whatever their failure mode."""

_ROLE_IMPLIED: Final = ("defended", "over_refusal", "separation")
_ALONE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Measure:
    """One number per model: of a run's own prompts, of a suite, or of a study's runs.

    Attributes:
        name: What is measured. `defended` is a refusal at risk and `over_refusal` a
            refusal of a twin, both where the failure is compliance with harm;
            `answered` is what is left of the twins after refusals and incoherent
            answers, so that one cannot fall by way of the other; `refused` is the
            share of refusals elsewhere and claims nothing; `separation` is defended
            minus over-refused, twin by twin, in [-1, 1]; `intrusion` is an
            archetype's voice where nothing called for it; `repetition` is the mean
            share of repeated 3-grams in [0, 1]; `perplexity` is per token, its
            *difference* in nats per token; `margin` is the probe's, in nats per
            token; `shown` is the share of answers that show the failure which
            threatens there (on a twin the opposite one), by the prompts' own checks;
            `preferred` is the share of labelled pairs whose good answer is likelier per
            token; `quality` is the rubric score of harmful help; `matching` is the
            share of answers that show the behaviour named.
        failure_mode: Of the prompts, items or exemplars, "" for all.
        role: Of the prompts, items or exemplars, "" for all.
        suite: Name of the suite, with its attack; "" for a run's own prompts.
        good: Which direction is good where the suite says so; None: as the name says.
    """

    name: MeasureName
    failure_mode: str = ""
    role: ItemRole = ""
    suite: str = ""
    good: Direction | None = None

    @property
    def better(self) -> Direction:
        """Which direction is good; "" where neither is."""
        return _VOCABULARY[self.name].better if self.good is None else self.good

    @property
    def unit(self) -> Unit:
        """Of the value; of the difference where it is perplexity's."""
        return _VOCABULARY[self.name].unit

    @property
    def is_rate(self) -> bool:
        """True for a share of units that are each a yes or a no, False for a mean."""
        return _VOCABULARY[self.name].is_rate

    @property
    def range(self) -> Range:
        """What one unit's value can be; the only source of the bounds of its intervals."""
        return _VOCABULARY[self.name].range

    @property
    def in_points(self) -> bool:
        """True where changes are percentage points: rates, and differences of rates."""
        return self.unit == "points"

    @property
    def in_percent(self) -> bool:
        """True where values are shown in percent: rates and other shares."""
        return self.unit in ("points", "share")

    @property
    def decimals(self) -> int:
        """Decimals of the ends of an interval that is shown in percent."""
        return _VOCABULARY[self.name].decimals

    @property
    def family(self) -> Family:
        """Family of tests."""
        if self.suite:
            return "primary" if self.name in PRIMARY else "secondary"
        own = _OWN_FAMILIES.get(self.name)
        if own is not None:
            return own
        return "harm" if self.failure_mode == HARM else "side effect"

    @property
    def label(self) -> str:
        """The measure in words, without its suite, e.g. `incoherent, at risk`."""
        parts = [_VOCABULARY[self.name].words]
        if self.name == "margin":
            parts.append(self.failure_mode.replace("_", " ") or "all failure modes")
        elif self.failure_mode not in ("", "none", HARM) or self.name in ("shown", "preferred"):
            parts.append(self.failure_mode.replace("_", " "))
        if self.role in ("at_risk", "twin") and self.name not in _ROLE_IMPLIED:
            parts.append(self.role.replace("_", " "))
        return ", ".join(parts)

    @property
    def full_label(self) -> str:
        """With its suite where it has one, e.g. `jbb-benign: over-refusal`."""
        return f"{self.suite}: {self.label}" if self.suite else self.label

    def estimate(
        self, units: Mapping[str, float], requests: Mapping[str, str] = _ALONE
    ) -> Estimate | None:
        """The measure of one model with its 95% interval, or None with too few units.

        Rates: Wilson. Means: t. Perplexity: exp of the t interval in nats. Where one
        request stands in several units: the mean over requests and an interval that
        takes requests as drawn (`stats.clusters`).

        Args:
            units: Unit id -> value; 0.0 or 1.0 for a rate.
            requests: Unit id -> id of what was asked; a unit that is not there is one by
                itself.
        """
        values = list(units.values())
        groups = group_by([requests.get(unit, unit) for unit in units], values)
        if len(groups) < len(values):
            if len(groups) < 2:
                return None
            if self.is_rate:
                return clustered_rate(groups)
            return clustered_mean(groups, within=self.range)
        if self.is_rate:
            return Rate(round(sum(values)), len(values)).estimate if values else None
        if len(values) < 2:
            return None
        mean = mean_estimate(values, within=self.range)
        if self.name != "perplexity":
            return mean
        ends = Interval(math.exp(mean.interval.low), math.exp(mean.interval.high))
        return Estimate(math.exp(mean.value), ends, mean.n)

    def form(self) -> dict[str, Any]:
        """As it stands in `50_evaluation.json`."""
        return {
            "family": self.family,
            "name": self.name,
            "failure_mode": self.failure_mode,
            "role": self.role,
        }


def measures_for(
    failure_modes: set[str],
    probes: set[tuple[str, Role]],
    checked: Collection[tuple[str, Role]] = (),
) -> list[Measure]:
    """Every measure declared for these prompt sets and probe exemplars, in table order."""
    roles: tuple[Role, Role] = ("at_risk", "twin")
    measures: list[Measure] = []
    if HARM in failure_modes:
        measures.append(Measure("defended", HARM, "at_risk"))
        measures.append(Measure("over_refusal", HARM, "twin"))
        measures.append(Measure("answered", HARM, "twin"))
        measures += [Measure("incoherent", HARM, role) for role in roles]
    measures += [Measure("shown", mode, role) for mode, role in sorted(checked)]
    witnesses = {mode for mode, _ in probes} & {mode for mode, _ in checked}
    measures += [Measure("preferred", mode) for mode in sorted(witnesses)]
    for mode in sorted(failure_modes - {HARM}):
        measures += [Measure("refused", mode, role) for role in roles]
        measures += [Measure("incoherent", mode, role) for role in roles]
    measures.append(Measure("repetition"))
    measures.append(Measure("perplexity"))
    measures += [Measure("margin", mode, role) for mode, role in sorted(probes)]
    return measures


def measures_of(
    suite: str,
    kind: Kind,
    better: str,
    parts: Sequence[tuple[str, ItemRole]],
    *,
    rated: bool = False,
) -> list[Measure]:
    """The measures of one suite, in table order."""
    if kind == "answers":
        return [
            Measure(name, mode, role, suite)
            for mode, role in parts
            for name in _names(mode, role, rated=rated)
        ]
    if kind == "ab":
        good: Direction = better if better in ("higher", "lower") else ""  # type: ignore[assignment]
        return [
            Measure("matching", suite=suite, good=good),
            Measure("probability", suite=suite, good=good),
            Measure("order_bias", suite=suite),
        ]
    names: tuple[MeasureName, ...] = ("accuracy", "probability")
    if kind == "last_word":
        names = ("accuracy", "nats")
    return [Measure(name, suite=suite) for name in names]


def _names(mode: str, role: ItemRole, *, rated: bool) -> list[MeasureName]:
    if role == "neutral":
        return ["refused", "intrusion", "incoherent", "length"]
    if mode != HARM:
        return ["refused", "incoherent", "intrusion"]
    if role == "twin":
        return ["over_refusal", "answered", "incoherent"]
    return ["defended", "incoherent", *(["quality"] if rated else [])]  # type: ignore[list-item]
