"""The models of a pairs stage beside policy and critic."""

from __future__ import annotations

from ..critic.calibrate import Gate
from ..preferences.cast import Cast
from .stage import Context


def cast_of(context: Context) -> Cast:
    """Comparator and teacher of a run, and where its calibration lets comparisons label."""
    config, models = context.config, context.models
    own = config.comparator_model != config.critic_model
    return Cast(
        comparator=models.get(config.comparator_model) if own else None,
        teacher=models.get(config.teacher) if config.teacher else None,
        allows=Gate.load(context.run.calibration).allows,
    )
