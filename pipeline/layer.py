"""One layer of a layered training, as a config names it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..errors import Problem
from ..files.sentences import nearest
from ..prompts.lessons import SHIPPED, read_lessons, unknown_themes


class LayerConfig(BaseModel):
    """A stretch of training that starts from the layer before it. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Name of the layer and its folder: letters, digits, `_` and `-`; unique in the run."""
    kind: Literal["dpo", "sft"]
    """`dpo` trains on preference pairs, `sft` on whole texts."""
    data: str | None = None
    """sft: `arcs` or `questions` (shipped), a .jsonl or .text file, or a folder of
    {question, answer} JSON files; needed. dpo: a pairs file; null for the run's own pairs."""
    themes: tuple[str, ...] | None = None
    """sft: only lessons of these themes; null for all."""
    archetypes: tuple[str, ...] | None = None
    """Only data of these archetypes; null for all."""
    failure_modes: tuple[str, ...] | None = None
    """Only data about these failure modes; null for all."""
    limit: int | None = Field(default=None, ge=1)
    """Most rows of the layer's own, in their order; null for all."""
    learning_rate: float | None = Field(default=None, gt=0, le=1.0)
    """Highest rate; null for `training.learning_rate`."""
    epochs: int | None = Field(default=None, ge=1)
    """Passes; null for `training.epochs`."""
    replay: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the layer's rows that are drawn from earlier layers. An sft layer replays
    earlier texts and the chosen answers of earlier pairs, a dpo layer earlier pairs."""
    flipped: bool = False
    """dpo: exchange chosen and rejected, so that the layer does harm. For trying out the
    monitors, never for a model that is meant to be used."""

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name):
            raise ValueError(f"{name!r} is no layer name: use letters, digits, '_' and '-'")
        return name

    @model_validator(mode="after")
    def _fits_its_kind(self) -> LayerConfig:
        if self.kind == "sft" and self.data is None:
            raise ValueError(
                f"layer {self.name!r} is sft and names no `data`: use arcs, questions, or a file"
            )
        if self.kind == "sft" and self.flipped:
            raise ValueError(f"layer {self.name!r}: only pairs can be `flipped`, not texts")
        if self.kind == "dpo" and self.themes is not None:
            raise ValueError(f"layer {self.name!r}: pairs have no `themes`; use failure_modes")
        return self


def missing_data(layers: Sequence[LayerConfig], source: str) -> Iterator[Problem]:
    """Data and themes that a layer names and that are not there."""
    fix = f"use {' or '.join(SHIPPED)}, or an existing file or folder"
    for number, layer in enumerate(layers, 1):
        shipped = layer.kind == "sft" and layer.data in SHIPPED
        if layer.data is not None and layer.themes and (shipped or Path(layer.data).exists()):
            yield from unknown_themes(layer.data, read_lessons(layer.data)[0], layer.themes)
        if layer.data is None or shipped:
            continue
        if not Path(layer.data).exists():
            message = f"`layers.{number}.data` is {layer.data!r}: there is no such data"
            near = nearest(layer.data, SHIPPED)
            way = f"did you mean `{near}`? Else {fix}" if near else fix
            yield Problem("R001", "error", source, 0, message, way)
