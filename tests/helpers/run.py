"""A run small enough for tests: a tiny real model, a few prompts, all stages."""

from __future__ import annotations

from pathlib import Path

from anlage.pipeline.config import RunConfig


def tiny_run_config(
    folder: Path, model: Path, *, name: str = "tiny", batch_size: int = 4
) -> RunConfig:
    """A config whose run takes seconds. The random model's answers are all let through."""
    return RunConfig.model_validate(
        {
            "name": name,
            "runs": str(folder),
            "model": str(model),
            "batch_size": batch_size,
            "archetypes": {"only": ["guardian", "explorer"]},
            "calibration": {"limit": 16},
            "prompts": {"sets": ["harm"], "limit": 8},
            "pairs": {"max_tokens": 120, "min_words": 1, "max_failed_share": 1.0},
            "training": {
                "epochs": 2,
                "batch_size": 2,
                "warmup_ratio": 0.0,
                "learning_rate": 0.01,
                "save_steps": 1,
            },
            "evaluation": {"sets": ["harm"], "limit": 3, "max_tokens": 8, "probe_limit": 2},
        }
    )
