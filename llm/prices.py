"""What a model's calls cost: a dated table that a user's own file can override."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigurationError, Problem
from ..files.yaml_file import load_yaml
from .served.spec import PREFIX

PRICES: Final = Path(__file__).with_name("prices.yaml")
"""The shipped table."""

_CHAT_SPEC: Final = re.compile(r"[a-z][a-z0-9_-]*:[^\\]")
_Usd = Annotated[float, Field(ge=0.0, le=100_000.0, allow_inf_nan=False)]


class _Row(BaseModel):
    """One row of a price file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    in_: _Usd = Field(alias="in")
    out: _Usd
    as_of: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens.

    Attributes:
        prompt: For tokens sent.
        completion: For tokens received.
        as_of: Day or month the price was found stated; "" for a model without a fee.
        source: Where.
    """

    prompt: float
    completion: float
    as_of: str = ""
    source: str = ""

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """US dollars of so many tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


NO_FEE: Final = Price(0.0, 0.0)
"""A model on this machine: its tokens cost time, not money."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Model spec -> price."""

    rows: Mapping[str, Price]

    def price(self, spec: str) -> Price | None:
        """The price of a model; None where it is not known. Nothing is guessed.

        Args:
            spec: As in a run config. A model that is not a chat model (a folder, a hub
                id, `scripted`, `served:...`) has no fee. `openai:NAME@URL` is not priced as
                `openai:NAME`: another server asks another price.
        """
        if spec in self.rows:
            return self.rows[spec]
        if not _CHAT_SPEC.match(spec) or spec.startswith(PREFIX):
            return NO_FEE
        return None if "@" in spec else self.rows.get(spec.partition(":")[0] + ":*")


def load_prices(own: Path | None = None) -> PriceTable:
    """The shipped table with the rows of a user's file over it.

    Args:
        own: YAML file in the form of `prices.yaml`; None for the shipped table alone.

    Raises:
        ConfigurationError: The file does not exist or does not validate; all problems.
    """
    rows = _read(PRICES)
    if own is not None:
        rows |= _read(own)
    return PriceTable(rows)


def _read(path: Path) -> dict[str, Price]:
    document = load_yaml(path)
    data = document.data if isinstance(document.data, dict) else {}
    rows: dict[str, Price] = {}
    problems = []
    for spec, value in data.items():
        try:
            row = _Row.model_validate(value)
            rows[str(spec)] = Price(row.in_, row.out, row.as_of, row.source)
        except ValidationError as error:
            problems += [
                Problem(
                    "R003",
                    "error",
                    str(path),
                    document.line((spec, *detail["loc"])),
                    f"price of `{spec}`: {'.'.join(map(str, detail['loc'])) or 'the row'}: "
                    f"{detail['msg']}",
                    'write a row like {in: 0.15, out: 0.60, as_of: "2026-05", source: "..."}',
                )
                for detail in error.errors(include_url=False)
            ]
    if problems:
        raise ConfigurationError(problems)
    return rows
