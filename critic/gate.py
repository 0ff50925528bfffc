"""Where a critic's comparisons may set labels: what its calibration allows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, Problem
from .calibrate import Calibration, passes


@dataclass(frozen=True, slots=True)
class Gate:
    """The slices a critic may label.

    Attributes:
        slices: (failure mode, role) as in the labelled pairs and the prompts.
    """

    slices: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, calibration: Calibration) -> Gate:
        """What a calibration allows."""
        if calibration.overall.low <= 0.5:
            return cls()
        rows = [row for row in calibration.rows if passes(row.low, row.decided)]
        return cls(frozenset((row.failure_mode, row.role) for row in rows))

    @classmethod
    def load(cls, path: Path) -> Gate:
        """What the calibration in a run's `20_calibration.json` allows.

        Raises:
            ConfigurationError: The file is not one.
        """
        try:
            data: Any = json.loads(path.read_text("utf-8"))
            if data["overall"]["low"] <= 0.5:
                return cls()
            return cls(
                frozenset(
                    (str(row["failure_mode"]), str(row["role"]))
                    for row in data["rows"]
                    if passes(row["low"], row["n"] - row["abstained"])
                )
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            fix = "delete it and run again: the critic's calls are stored"
            message = f"it is no calibration of this version: {error!r:.80}"
            raise ConfigurationError(
                [Problem("D040", "error", str(path), 0, message, fix)]
            ) from error

    def allows(self, failure_mode: str, role: str) -> bool:
        """True if comparisons may label prompts of this failure mode and role."""
        return (failure_mode, role) in self.slices
