"""What would spoil a layer, found before it costs anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import AnlageError, Problem, TrainingError
from ..preferences.pair import Pair
from ..trainer.assembly import WARMUP_ADVICE, plan_steps, why_never_full_rate
from ..trainer.lesson_rows import lesson_rows
from ..trainer.preflight import LEAST_TRAVEL, learning_rates
from .config import RunConfig
from .effect import select_pairs, train_config
from .layer import LayerConfig
from .unit import units_of
from .unit_data import lessons_for


def layer_problems(
    config: RunConfig, pairs: Sequence[Pair], tokenizer: Any, *, built: bool
) -> list[Problem]:
    """Schedule and length of every layer; nothing for a run without layers.

    Args:
        config: The run.
        pairs: Its pairs, or stand-ins for them.
        tokenizer: The model's.
        built: Whether the pairs are its own; stand-ins belong to no archetype.
    """
    found: list[Problem] = []
    for unit in units_of(config):
        layer = unit.layer
        if layer is None or unit.round:
            continue
        if layer.kind == "dpo":
            rows = len(pairs) if layer.data is None else 0
            if layer.data is None and built:
                rows = len(select_pairs(config, [p for p in pairs if _is_of(p, layer)]))
            rows = min(rows, layer.limit or rows)
        else:
            try:
                lessons = lessons_for(unit)
                tokenized = lesson_rows(lessons, tokenizer, config.training.max_length)
            except TrainingError as error:
                found.append(_problem("T005", "error", layer, str(error), ""))
                continue
            except AnlageError as error:
                found.append(_problem("N002", "error", layer, str(error), "check `data`"))
                continue
            rows = len(tokenized.rows)
            if tokenized.too_long:
                message = f"{tokenized.too_long} lessons are too long and are left out, not cut"
                found.append(_problem("T005", "warning", layer, message, "raise max_length"))
        if rows:
            found += _schedule(rows, config, layer)
    return found


def _schedule(rows: int, config: RunConfig, layer: LayerConfig) -> Iterator[Problem]:
    training = train_config(config, layer)
    reason = why_never_full_rate(rows, training)
    if reason:
        yield _problem("T001", "error", layer, reason, WARMUP_ADVICE.lower())
        return
    steps = plan_steps(rows, training)
    travel, least = sum(learning_rates(steps, training)), LEAST_TRAVEL[training.method]
    if travel < least:
        message = (
            f"the rates of its {steps} step(s) add up to {travel:.1g}, and below {least:g} "
            "nothing changes"
        )
        severity = "error" if travel < least / 100 else "warning"
        fix = "raise learning_rate, or train longer"
        yield _problem("T002", severity, layer, message, fix)


def _is_of(pair: Pair, layer: LayerConfig) -> bool:
    named = {principle.split("/")[0] for principle in pair.principles}
    return layer.archetypes is None or bool(named & set(layer.archetypes))


def _problem(code: str, severity: Any, layer: LayerConfig, message: str, fix: str) -> Problem:
    return Problem(code, severity, f"layer {layer.name}", 0, message, fix)
