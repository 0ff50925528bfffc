"""A study of a tiny real model: a folder with study.yaml whose runs take seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .run import tiny_run_config


def write_study(folder: Path, model: Path, *, batch_size: int = 4, **changes: Any) -> Path:
    """Writes `study.yaml` beside a `runs` folder; `changes` replace or add its keys."""
    base = tiny_run_config(folder / "runs", model, batch_size=batch_size).model_dump(mode="json")
    base["prompts"]["limit"] = 8
    base["calibration"]["limit"] = 4
    base["training"]["epochs"] = 1
    base["evaluation"] |= {"probe_limit": 1, "limit": 4, "failure_modes": ["sycophancy"]}
    data: dict[str, Any] = {
        "name": "tiny",
        "question": "Does beta matter to a random model?",
        "base": base,
        "arms": {"weak": {"training.beta": 0.5}},
        "controls": ["base"],
        "seeds": [0, 1],
        "vary": "train",
        "outcome": "margin",
        "runs": str(folder / "runs"),
    }
    file = folder / "study.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(data | changes, sort_keys=False))
    return file
