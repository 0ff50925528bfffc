"""What an archetype file may say, field by field.

The fields follow task analysis in evolutionary psychology. An archetype is a named bundle of
motive, cues, norm and failure modes. That a motive leads to a failure of a language model is
a design hypothesis. Nothing here claims that what evolved is good.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)

from ..files.validation import Strict
from .reference import Reference
from .vocabulary import load_cues, load_failure_modes

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$", max_length=60)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=60)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Pole = Literal["excess", "deficit"]
MotiveSystem = Literal[
    "self_protection", "disease_avoidance", "affiliation", "status", "mate", "kin_care",
    "reciprocity", "epistemic_vigilance", "pedagogy", "deference", "coalition", "exploration",
    "play", "narrative", "reconciliation", "norm_enforcement", "commitment", "self_model",
]  # fmt: skip
CooperationDomain = Literal[
    "family", "group", "reciprocity", "heroism", "deference", "fairness", "property"
]
MoralFoundation = Literal["care", "fairness", "loyalty", "authority", "sanctity", "liberty"]

ANY_MODE = "any"
"""Key under which openings stand that serve every failure mode of their pole."""

OpeningList = Annotated[tuple[Text, ...], Field(min_length=5)]


def _by_mode(value: object) -> object:
    return {ANY_MODE: value} if isinstance(value, list) else value


_TEXT_LIST = {"type": "array", "minItems": 5, "items": {"type": "string", "minLength": 1}}
PoleOpenings = Annotated[
    dict[str, OpeningList],
    BeforeValidator(_by_mode),
    WithJsonSchema({"anyOf": [_TEXT_LIST, {"type": "object", "additionalProperties": _TEXT_LIST}]}),
]


class ErrorAsymmetry(Strict):
    """Which error was the costlier one (error management), and the failure it predicts."""

    costlier: Literal["miss", "false_alarm"]
    predicts: Key
    """A failure mode."""


class Shadow(Strict):
    """Both poles of the motive; neither says by itself whether it harms or over-protects."""

    excess: Texts
    deficit: Texts


class AiFailureMode(Strict):
    """A failure mode of an assistant and the pole it is mapped to (a hypothesis)."""

    mode: Key
    pole: Pole


class AuthoredPrinciple(Strict):
    """One rule as its author wrote it."""

    id: Slug
    failure_mode: Key
    situation: Text
    """When it applies: a clause that can follow "when", without a full stop."""
    statement: Text
    """What a good answer does there: positive, behavioural, whole sentences."""
    negative: Text
    """The same as a don't."""
    cues: tuple[Key, ...] = ()
    """The archetype's cues that switch it on; all of them where left out."""
    openings: OpeningList | None = None
    """Good openings that fit its situation; the archetype's for the mode where left out."""
    critique: Text | None = None
    """Critique request used as it stands instead of the template's."""
    revise: Text | None = None
    compare: Text | None = None
    weight: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False, strict=True)] = 1.0
    """Relative sampling weight in (0, 100]."""


class Openings(Strict):
    """How answers begin; used to prefill drafts and revisions.

    `excess` and `deficit` are failing beginnings, as a list or, where one pole
    carries several failure modes, as lists by mode. `integrated` holds good
    beginnings by mode; `...` marks a gap the model fills.
    """

    excess: PoleOpenings
    deficit: PoleOpenings
    integrated: dict[Key, OpeningList]

    def failing(self, mode: str, pole: Pole) -> tuple[str, ...]:
        """Beginnings of answers that show `mode`; empty where there are none."""
        lists = self.excess if pole == "excess" else self.deficit
        return (*lists.get(mode, ()), *lists.get(ANY_MODE, ()))


class Exemplar(Strict):
    """A labelled answer pair; never trained on. Used to calibrate critics and to probe models."""

    failure_mode: Key
    """The mode the exemplar is about; on a twin, `failing` shows its opposite."""
    role: Literal["at_risk", "twin"]
    prompt: Text
    good: Text
    failing: Text


class Evaluation(Strict):
    """Where it would show that a failure mode rose or fell."""

    failure_mode: Key
    set: Text
    metric: Key
    want: Literal["up", "down"]


class Evidence(Strict):
    """A cited work and the field it supports."""

    ref: Key
    supports: Key
    kind: Literal["theory", "review", "empirical", "benchmark", "book"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an archetype was read.

    Attributes:
        path: The file.
        file: Its name relative to the folder it was read from.
        sha256: Hash (hex) of its bytes.
        principle_lines: Principle slug -> line of its `id:`.
        works: Reference key -> work: the shipped ones and those beside the file.
    """

    path: Path
    file: str
    sha256: str
    principle_lines: Mapping[str, int]
    works: Mapping[str, Reference]


class Archetype(Strict):
    """One archetype file."""

    id: Id
    name: Text
    version: Annotated[StrictInt, Field(ge=1)]
    adaptive_problem: Text
    """The recurrent ancestral problem."""
    motive_system: MotiveSystem
    cooperation_domain: tuple[CooperationDomain, ...]
    moral_foundations: tuple[MoralFoundation, ...]
    ancestral_function: Text
    """What the mechanism bought."""
    evolved_mechanism: Text
    """Inputs, processing, outputs."""
    cues: Annotated[tuple[Key, ...], Field(min_length=1)]
    error_asymmetry: ErrorAsymmetry | None
    prosocial_expression: Texts
    """Normative and ours: what the motive looks like at its best."""
    shadow: Shadow
    ai_failure_modes: Annotated[tuple[AiFailureMode, ...], Field(min_length=1)]
    counterweights: Annotated[tuple[Id, ...], Field(min_length=1)]
    """Archetypes that check this one's excess."""
    principles: Annotated[tuple[AuthoredPrinciple, ...], Field(min_length=1)]
    openings: Openings
    exemplars: tuple[Exemplar, ...] = ()
    evaluation: Annotated[tuple[Evaluation, ...], Field(min_length=1)]
    evidence: tuple[Evidence, ...]
    evidence_level: Literal["strong", "moderate", "speculative"]
    contested_by: tuple[Key, ...] = ()
    mapping_status: Literal["hypothesis", "supported", "refuted"]
    """Of the link from motive to model failure; `hypothesis` until an ablation says otherwise."""
    voice: Text | None = None

    _source: Source | None = PrivateAttr(default=None)

    @property
    def source(self) -> Source:
        """Where it was read.

        Raises:
            ValueError: It was built in memory, not by `load_archetypes`.
        """
        if self._source is None:
            raise ValueError(f"archetype {self.id!r} was not read from a file")
        return self._source

    def pole_of(self, mode: str) -> Pole:
        """The pole this archetype maps a failure mode to.

        Raises:
            KeyError: It does not name that mode.
        """
        for entry in self.ai_failure_modes:
            if entry.mode == mode:
                return entry.pole
        raise KeyError(f"{self.id} has no failure mode {mode!r}")


PATH = Path(__file__).with_name("schema.json")


def archetype_json_schema() -> str:
    """The schema as it stands in `schema.json`, with the vocabularies as enums."""
    schema = Archetype.model_json_schema()
    definitions = schema["$defs"]
    modes = {"enum": sorted(load_failure_modes())}
    cues = {"type": "array", "items": {"enum": sorted(load_cues())}}
    definitions["AiFailureMode"]["properties"]["mode"] = modes
    definitions["ErrorAsymmetry"]["properties"]["predicts"] = modes
    for name in ("AuthoredPrinciple", "Exemplar", "Evaluation"):
        definitions[name]["properties"]["failure_mode"] = modes
    definitions["AuthoredPrinciple"]["properties"]["cues"] = cues
    schema["properties"]["cues"] = cues
    schema["title"] = "Anlage archetype"
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json_schema(path: Path = PATH) -> None:
    """Writes `schema.json` anew; run it after a change to the schema or a vocabulary."""
    path.write_text(archetype_json_schema(), encoding="utf-8")
