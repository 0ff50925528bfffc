"""Moisture, cover and room: the conditions of a training as switches with two presets each."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..trainer.conditions.settings import MonitorSettings
from ..trainer.config import Reference

Preset = Literal["healthy", "deprived"]


class _Block(BaseModel):
    """Settings with presets: `data: deprived`, or `{preset: deprived, twins: true}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    preset: Preset = "healthy"
    """Where every value comes from that is not given."""

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, value: Any) -> Any:
        value = {"preset": value} if isinstance(value, str) else value
        if not isinstance(value, dict):
            return value
        return {**cls.presets.get(str(value.get("preset", "healthy")), {}), **value}


class DataConditions(_Block):
    """Moisture: data that are alive."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "healthy": {"refresh": True, "diversity": 1.0, "twins": True, "dedup": True},
        "deprived": {"refresh": False, "diversity": 0.25, "twins": False, "dedup": False},
    }

    refresh: bool = True
    """Draft anew in each round with the current model; false uses round 1's pairs again."""
    diversity: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the prompts whose pairs are trained on; they are repeated, so that the
    number of pairs stays the same."""
    twins: bool = True
    """Train on twin prompts, too; false leaves only the at-risk ones."""
    dedup: bool = True
    """Leave out pairs whose chosen answer nearly repeats that of an earlier pair."""


class ProtectionConditions(_Block):
    """The cover: what keeps the model from being pulled apart."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "healthy": {"kl_budget": 1.0, "reference": "initial", "gates": True, "filters": True},
        "deprived": {"kl_budget": None, "reference": "previous", "gates": False, "filters": False},
    }

    kl_budget: float | None = Field(default=1.0, gt=0)
    """Nats per token from the reference that are allowed; null for no limit."""
    reference: Reference = "initial"
    """What each round and layer is held to: the model before any training, or the one it
    starts from, so that the anchor moves along."""
    gates: bool = True
    """Whether monitors act; false lets them only warn."""
    filters: bool = True
    """Whether pairs are filtered by length and by how many attempts may fail."""


class RoomConditions(_Block):
    """Room: small steps, rests, and the model's own voice."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "healthy": {"method": "lora", "rate": 1.0, "rest": True, "critique": "self"},
        "deprived": {"method": "full", "rate": 4.0, "rest": False, "critique": "none"},
    }

    method: Literal["lora", "full"] | None = "lora"
    """Low-rank updates or every weight; null for `training.method`. At `full` the rate is
    a fiftieth of `training.learning_rate`, since every weight moves."""
    rate: float = Field(default=1.0, gt=0.0, le=100.0)
    """What the learning rate is multiplied by."""
    rest: bool = True
    """Check the model within and between layers; without a rest no monitor can look."""
    critique: Literal["self", "teacher", "none"] = "self"
    """Who criticises: the model itself, the model named by `critic`, or nobody, so that
    revisions see only the prompt."""


class Conditions(BaseModel):
    """The three blocks and the monitors. `conditions: deprived` sets all three."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: DataConditions = DataConditions()
    """Moisture."""
    protection: ProtectionConditions = ProtectionConditions()
    """Cover."""
    room: RoomConditions = RoomConditions()
    """Room."""
    monitors: MonitorSettings = MonitorSettings()
    """What is watched, and what may be done; the KL budget is `protection`'s."""

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, value: Any) -> Any:
        if isinstance(value, str):
            return dict.fromkeys(("data", "protection", "room"), value)
        return value

    @property
    def watched(self) -> MonitorSettings:
        """The monitors under these conditions."""
        budget = self.protection.kl_budget
        kl = self.monitors.kl_budget
        kl = kl.model_copy(update={"budget": budget} if budget else {"policy": "off"})
        settings = self.monitors.model_copy(update={"kl_budget": kl})
        return settings if self.protection.gates else settings.only_warning()
