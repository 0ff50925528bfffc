"""`Principle` and `Constitution`: what the compiler makes of archetype files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from pydantic import Field, StrictInt

Pole = Literal["excess", "deficit"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a principle comes from.

    Attributes:
        file: Archetype file, relative to the library folder it was read from.
        line: 1-based line of the principle's `id:` in that file. Not part of
            the constitution's hash: moving text does not change its meaning.
        references: Keys of `references.yaml` the archetype cites.
    """

    file: str
    line: Annotated[StrictInt, Field(ge=0)]
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Openings:
    """How answers begin, used to prefill drafts and revisions.

    A good opening holds gaps written `...`: the model writes one sentence into
    each, and the rest of the answer into one at its end. Text after the last gap
    closes the answer.

    Attributes:
        failing: Openings of answers that show the principle's failure mode
            (the archetype's openings of the pole that mode belongs to).
        good: Openings of answers that keep the principle.
    """

    failing: tuple[str, ...]
    good: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Principle:
    """One rule a critic applies, traceable to a line of YAML.

    What a field may hold is checked where a file is read, not where one is built.

    Attributes:
        id: Full id, `archetype/slug`.
        archetype: Id of the archetype it was written in.
        failure_mode: The one failure mode it guards against.
        pole: Which pole of the archetype's motive that failure belongs to. It
            does not say whether the failure is harm or over-caution.
        situation: When the principle applies.
        statement: What a good answer does there, positive and behavioural.
        negative: The same as a don't.
        critique: The filled critique request shown to the critic.
        revise: The filled revision request.
        compare: The filled comparison question.
        cues: Keys of `cues.yaml` that should switch it on.
        openings: Prefills for failing and for good answers.
        weight: Relative sampling weight, above 0.
        precedence: 0 is consulted first; derived from counterweights.
        provenance: File, line and references.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z_]*/[a-z][a-z0-9-]*$")]
    archetype: str
    failure_mode: str
    pole: Pole
    situation: str
    statement: str
    negative: str
    critique: str
    revise: str
    compare: str
    cues: tuple[str, ...]
    openings: Openings
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
    precedence: Annotated[StrictInt, Field(ge=0)]
    provenance: Provenance

    def content(self) -> dict[str, object]:
        """Everything that means something, so without line numbers, for hashing."""
        data = asdict(self)
        data["provenance"] = {
            "file": self.provenance.file,
            "references": list(self.provenance.references),
        }
        return data


@dataclass(frozen=True, slots=True)
class Constitution:
    """Compiled principles in order of precedence, then id.

    Attributes:
        principles: The principles.
        sources: Archetype id -> SHA-256 of its file's bytes.
    """

    principles: tuple[Principle, ...]
    sources: dict[str, str]

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of the content of all principles; lines left out."""
        payload = json.dumps(
            [principle.content() for principle in self.principles],
            sort_keys=True,
            ensure_ascii=False,
        )
        return hashlib.sha256(payload.encode()).hexdigest()

    def __iter__(self) -> Iterator[Principle]:
        return iter(self.principles)

    def __len__(self) -> int:
        return len(self.principles)

    def get(self, principle_id: str) -> Principle:
        """The principle with this full id.

        Raises:
            KeyError: There is none; the message lists near matches.
        """
        for principle in self.principles:
            if principle.id == principle_id:
                return principle
        known = ", ".join(principle.id for principle in self.principles)
        raise KeyError(f"no principle {principle_id!r}; known: {known}")
